/** The page as a whole. */
import { createHash } from 'node:crypto';
import type { ReportData, ReportFrame, ValveReport, ValveSummary } from './data.ts';
import { embeddedJson, reportPayload } from './embedded.ts';
import { consumption } from './consumption.ts';
import { overviewTable } from './overview-table.ts';
import { chartKeys, toolbar } from './legend.ts';
import { markup, trustHtml, type Markup } from './markup.ts';
import { groupProblems, problemList } from './problem-list.ts';
import { fleetProblems, valveProblems, type Problems, type ValveProblem } from './problems.ts';
import { tiles } from './tiles.ts';
import { valveSection } from './valve.ts';
import { createMessages, type Messages } from './messages.ts';

/** The built browser code: one classic script, and one style sheet. */
export interface PageAssets {
  script: string;
  style: string;
}

const NO_VALVES = markup`<p>No valve is known yet: run “tasmart poll”.</p>`;

/** A page that is made one valve after the other, so that no more than one valve's readings are in memory. */
export interface ReportPage {
  /** Call it once per valve, in the order of the page. */
  add: (valve: ValveReport) => void;
  /** The whole page, in parts. */
  parts: () => (string | Buffer)[];
}

/**
 * One self-contained page. Its content security policy allows no loading, no sending and no script but its own, so a valve's
 * name cannot run code. The important content is readable without the script, as in mail programs.
 */
export function createPage(frame: ReportFrame, assets: PageAssets): ReportPage {
  const messages = createMessages(frame);
  const valves: ValveSummary[] = [];
  const problems: ValveProblem[][] = [];
  /** in UTF-8, which needs half of the memory of a string */
  const sections: Buffer[] = [];
  return {
    add: (valve) => {
      const found = valveProblems(valve, frame, messages);
      sections.push(Buffer.from(valveSection(valve, valves.length, found, frame, messages).html));
      problems.push(found);
      valves.push(summaryOf(valve));
    },
    parts: () => {
      const allProblems = { fleet: fleetProblems(frame, messages), valves: problems };
      const [before, after] = aroundSections({ ...frame, valves }, allProblems, assets, messages);
      return [before, ...sections, after];
    },
  };
}

/** The valve without its readings and what is found in them: a summary of each valve stays in memory. */
function summaryOf(valve: ValveReport): ValveSummary {
  const { id, label, shortSn, fullSn, projectName, account, firmware, backendRef } = valve;
  const { state, newestUs, ageUs, counter1Kwh, counter2Kwh, errorStatus, days, energy } = valve;
  return {
    ...{ id, label, shortSn, fullSn, projectName, account, firmware, backendRef },
    ...{ state, newestUs, ageUs, counter1Kwh, counter2Kwh, errorStatus, days, energy },
  };
}

/** The page before the valves' sections, and after them. */
function aroundSections(
  data: ReportData,
  problems: Problems,
  { script, style }: PageAssets,
  messages: Messages,
): [string, string] {
  const groups = groupProblems(problems);
  // The texts between the tags of script and style must be exactly those that the policy hashes.
  const before = markup`${trustHtml('<!doctype html>')}
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy(script, style)}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="referrer" content="no-referrer">
    <title>TA-Smart valves, ${messages.date(data.fromUs)} – ${messages.date(data.toUs)}</title>
    <style>${trustHtml(style)}</style>
  </head>
  <body id="top">
    ${header(data, messages)}
    <main>
      <div class="overview">
        ${data.valves.length === 0 ? NO_VALVES : consumption(data, messages)}
        ${problemList(data, problems, groups)}
        ${tiles(data, messages)}
        ${data.valves.length > 1 && overviewTable(data, problems, groups, messages)}
      </div>
      ${data.valves.length > 0 && toolbar(data, messages)}
      `;
  const after = markup`
      ${data.valves.length > 0 && chartKeys()}
      <p class="top" hidden><a href="#top">↑ Back to top</a></p>
    </main>
    <footer>
      <p>
        Made by tasmart ${data.version} on ${messages.date(data.generatedUs)} (${data.timezone}).
        This file is complete in itself: it loads nothing and sends nothing.
      </p>
    </footer>
    ${embeddedJson('report-data', reportPayload(data, messages.offsets))}
    <script>${trustHtml(script)}</script>
  </body>
</html>
`;
  return [before.html, after.html];
}

function header(data: ReportFrame, messages: Messages): Markup {
  return markup`<header>
    <h1 tabindex="-1">TA-Smart valves</h1>
    <p class="span">
      ${messages.date(data.fromUs)} – ${messages.date(data.toUs)}
      <span>· ${data.timezone} · a reading each ${data.intervalMinutes} min</span>
    </p>
  </header>`;
}

function policy(script: string, style: string): string {
  const hash = (text: string): string => `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;
  return [
    `default-src 'none'`,
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    `base-uri 'none'`,
    `form-action 'none'`,
  ].join('; ');
}
