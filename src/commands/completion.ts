/** `tasmart completion`: what a shell needs to complete the command line, made from the program's own commands. */
import type { Command, Option } from 'commander';
import type { CommandContext } from './shared/context.ts';

/**
 * Makes the module of the command, with the `run` that action.ts expects. Only program.ts has the program, and knows the
 * command that runs when none is named.
 */
export function completionOf(program: Command, defaultCommand: Command) {
  return {
    run(_options: object, { args: [shell] }: CommandContext): Promise<number> {
      // zsh runs bash's completions (https://zsh.sourceforge.io/Doc/Release/Completion-System.html, bashcompinit).
      if (shell === 'zsh') process.stdout.write('autoload -U +X bashcompinit && bashcompinit\n');
      process.stdout.write(
        shell === 'fish' ? fishScript(program, defaultCommand) : bashScript(program, defaultCommand),
      );
      return Promise.resolve(0);
    },
  };
}

/** If no word fits, bash completes file names (`-o default`). */
function bashScript(program: Command, defaultCommand: Command): string {
  const names = program.commands.map((command) => command.name());
  const wordCases = program.commands.map((command) => {
    const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
    return `      ${command.name()}) words='${[...choices, ...longNamesOf(command)].join(' ')}' ;;`;
  });
  return `# Completion of tasmart. For this shell: source <(tasmart completion bash)
_tasmart() {
  local current=\${COMP_WORDS[COMP_CWORD]} command= word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in ${names.join('|')}) command=$word; break ;; esac
  done
  case "\${command:-${defaultCommand.name()}} \${COMP_WORDS[COMP_CWORD-1]}" in
${valueCases(program).join('\n')}
    *)
      case $command in
${wordCases.join('\n')}
      *) words='${[...names, ...longNamesOf(defaultCommand), '--version'].join(' ')}' ;;
      esac
      words+=' ${longNamesOf(program).join(' ')} --help'
      ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _tasmart tasmart
`;
}

/**
 * Cases of the word before the cursor, for options with a value: they offer its choices, or nothing. A pattern names the
 * command only if the option has other choices in another command.
 */
function valueCases(program: Command): string[] {
  const options = [program, ...program.commands].flatMap((command) =>
    command.options.filter(takesValue).map((option) => {
      return { command: command.name(), long: longNameOf(option), choices: (option.argChoices ?? []).join(' ') };
    }),
  );
  const differs = (long: string) =>
    new Set(options.filter((other) => other.long === long).map(({ choices }) => choices)).size > 1;
  const patternsOfChoices = new Map<string, Set<string>>();
  for (const { command, long, choices } of options) {
    const pattern = differs(long) ? `'${command} ${long}'` : `*' ${long}'`;
    patternsOfChoices.set(choices, (patternsOfChoices.get(choices) ?? new Set()).add(pattern));
  }
  return [...patternsOfChoices].map(([choices, patterns]) => `    ${[...patterns].join('|')}) words='${choices}' ;;`);
}

function fishScript(program: Command, defaultCommand: Command): string {
  const line = (option: Option, condition: string) => {
    const name = longNameOf(option).slice(2);
    return `complete -c tasmart${condition} -l ${name}${fishValue(option)} -d ${quoteForFish(option.description)}`;
  };
  const names = program.commands.map((command) => command.name());
  // Not __fish_use_subcommand: it takes the value of a global option for a command.
  const noneOf = (commands: readonly string[]) => ` -n 'not __fish_seen_subcommand_from ${commands.join(' ')}'`;
  const lines = program.commands.flatMap((command) => {
    const name = command.name();
    const condition =
      command === defaultCommand
        ? noneOf(names.filter((other) => other !== name))
        : ` -n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c tasmart${noneOf(names)} -a ${name} -d ${quoteForFish(command.description())}`,
      ...command.options.map((option) => line(option, condition)),
      ...command.registeredArguments.flatMap(({ argChoices }) =>
        argChoices ? [`complete -c tasmart${condition} -a '${argChoices.join(' ')}'`] : [],
      ),
    ];
  });
  return [
    '# Completion of tasmart. For this shell: tasmart completion fish | source',
    'complete -c tasmart -f',
    "complete -c tasmart -l help -d 'display help for command'",
    ...program.options.map((option) => line(option, '')),
    ...lines,
    '',
  ].join('\n');
}

/** What may follow the option: one of its choices; a file, if program.ts writes its value as `<file…>`; or any text. */
function fishValue(option: Option): string {
  if (!takesValue(option)) return '';
  if (option.argChoices) return ` -x -a '${option.argChoices.join(' ')}'`;
  return option.flags.includes('<file') ? ' -r -F' : ' -x';
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

function longNameOf(option: Option): string {
  return option.long ?? option.flags;
}

function longNamesOf(command: Command): string[] {
  return command.options.map(longNameOf).filter((long) => long !== '--version');
}

/** In single quotes, as fish reads them. */
function quoteForFish(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
