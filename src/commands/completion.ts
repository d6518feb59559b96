/** `tasmart completion`: what a shell needs to complete the command line, made from the program's own commands. */
import type { Command, Option } from 'commander';
import type { CommandContext } from './context.ts';

/** As cli.ts offers them. */
type Shell = 'bash' | 'zsh' | 'fish';

/** The command's module, as cli.ts loads them; it needs the program, which only cli.ts has. */
export function completionOf(program: Command) {
  return {
    run(_options: object, { args: [shell] }: CommandContext): Promise<number> {
      process.stdout.write(completionScript(shell as Shell, program));
      return Promise.resolve(0);
    },
  };
}

function completionScript(shell: Shell, program: Command): string {
  if (shell === 'fish') return fish(program);
  // zsh runs bash's completions (https://zsh.sourceforge.io/Doc/Release/Completion-System.html, bashcompinit).
  return shell === 'zsh' ? `autoload -U +X bashcompinit && bashcompinit\n${bash(program)}` : bash(program);
}

/** If none of the words fits, bash completes file names (`-o default`). */
function bash(program: Command): string {
  const names = program.commands.map((command) => command.name());
  const words = program.commands.map((command) => {
    const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
    return `      ${command.name()}) words='${[...choices, ...longsOf(command)].join(' ')}' ;;`;
  });
  return `# Completion of tasmart. For this shell: source <(tasmart completion bash)
_tasmart() {
  local current=\${COMP_WORDS[COMP_CWORD]} command= word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in ${names.join('|')}) command=$word; break ;; esac
  done
  case "$command \${COMP_WORDS[COMP_CWORD-1]}" in
${valueCases(program).join('\n')}
    *)
      case $command in
${words.join('\n')}
      *) words='${[...names, '--version'].join(' ')}' ;;
      esac
      words+=' ${longsOf(program).join(' ')} --help'
      ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _tasmart tasmart
`;
}

/** After an option with a value: its choices, or nothing. By command only where the choices of two commands differ. */
function valueCases(program: Command): string[] {
  const options = [program, ...program.commands].flatMap((command) =>
    command.options.filter(takesValue).map((option) => {
      return { command: command.name(), long: longOf(option), choices: (option.argChoices ?? []).join(' ') };
    }),
  );
  const differs = (long: string) =>
    new Set(options.filter((other) => other.long === long).map(({ choices }) => choices)).size > 1;
  const patterns = new Map<string, Set<string>>();
  for (const { command, long, choices } of options) {
    const pattern = differs(long) ? `'${command} ${long}'` : `*' ${long}'`;
    patterns.set(choices, (patterns.get(choices) ?? new Set()).add(pattern));
  }
  return [...patterns].map(([choices, alike]) => `    ${[...alike].join('|')}) words='${choices}' ;;`);
}

function fish(program: Command): string {
  const line = (option: Option, condition: string) => {
    const { long, description, argChoices } = option;
    const files = option.flags.includes('<file>');
    const value = !takesValue(option) ? '' : argChoices ? ` -x -a '${argChoices.join(' ')}'` : files ? ' -r -F' : ' -x';
    return `complete -c tasmart${condition} -l ${(long ?? '').slice(2)}${value} -d ${quoted(description)}`;
  };
  const lines = program.commands.flatMap((command) => {
    const name = command.name();
    const condition = ` -n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c tasmart -n __fish_use_subcommand -a ${name} -d ${quoted(command.description())}`,
      ...command.options.map((option) => line(option, condition)),
      ...command.registeredArguments.flatMap(({ argChoices }) =>
        argChoices ? [`complete -c tasmart${condition} -a '${argChoices.join(' ')}'`] : [],
      ),
    ];
  });
  return [
    '# Completion of tasmart. For this shell: tasmart completion fish | source',
    'complete -c tasmart -f',
    ...program.options.map((option) => line(option, '')),
    ...lines,
    '',
  ].join('\n');
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

function longOf(option: Option): string {
  return option.long ?? option.flags;
}

function longsOf(command: Command): string[] {
  return command.options.map(longOf).filter((long) => long !== '--version');
}

/** In single quotes, as fish reads them. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
