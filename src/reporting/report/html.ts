/** The page as a whole. */
import { createHash } from 'node:crypto';
import type { ReportData } from './data.ts';
import { embeddedJson, reportPayload } from './embedded.ts';
import { consumption } from './consumption.ts';
import { overviewTable } from './overview-table.ts';
import { chartKeys, toolbar } from './legend.ts';
import { markup, trusted, type Markup } from './markup.ts';
import { groupProblems, problemList } from './problem-list.ts';
import { findProblems } from './problems.ts';
import { tiles } from './tiles.ts';
import { valveSection } from './valve.ts';
import { createMessages, type Messages } from './messages.ts';

/** The built browser code: one classic script, and one style sheet. */
export interface PageAssets {
  script: string;
  style: string;
}

const NO_VALVES = markup`<p>No valve is known yet: run “tasmart poll”.</p>`;

/**
 * One self-contained page. Its content security policy allows no loading, no sending and no script but its own, so a valve's
 * name cannot run code. The important content is readable without the script, as in mail programs.
 */
export function reportHtml(data: ReportData, { script, style }: PageAssets): string {
  const messages = createMessages(data);
  const problems = findProblems(data, messages);
  const groups = groupProblems(problems);
  const sections = data.valves.map((valve, index) =>
    valveSection(valve, index, problems.valves[index] ?? [], data, messages),
  );
  // The texts between the tags of script and style must be exactly those that the policy hashes.
  const page = markup`${trusted('<!doctype html>')}
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy(script, style)}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="referrer" content="no-referrer">
    <title>TA-Smart valves, ${messages.date(data.fromUs)} – ${messages.date(data.toUs)}</title>
    <style>${trusted(style)}</style>
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
      ${sections} ${data.valves.length > 0 && chartKeys()}
      <p class="top" hidden><a href="#top">↑ Back to top</a></p>
    </main>
    <footer>
      <p>
        Made by tasmart ${data.version} on ${messages.date(data.generatedUs)} (${data.timezone}).
        This file is complete in itself: it loads nothing and sends nothing.
      </p>
    </footer>
    ${embeddedJson('report-data', reportPayload(data, messages.offsets))}
    <script>${trusted(script)}</script>
  </body>
</html>
`;
  return page.html;
}

function header(data: ReportData, messages: Messages): Markup {
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
