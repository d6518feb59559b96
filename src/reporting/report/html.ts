import { createHash } from 'node:crypto';
import { localTime } from '../units.ts';
import type { ReportData } from './data.ts';
import { embeddedJson, reportPayload } from './embedded.ts';
import { glance, problemList } from './glance.ts';
import { heatmap, valveIndex } from './heatmap.ts';
import { chartKeys, toolbar } from './legend.ts';
import { markup, trusted, type Markup } from './markup.ts';
import { findProblems } from './problems.ts';
import { valveSection } from './valve.ts';
import { createWording, type Wording } from './wording.ts';

/** The built browser code: one classic script, and one style sheet. */
export interface PageAssets {
  script: string;
  style: string;
}

/** From here on the browser lays out only what is in sight. */
const MANY = 20;

const NO_VALVES = markup`<p>No valve is known yet: run “tasmart poll”.</p>`;

/**
 * One page that holds all it needs. It may neither load nor send anything, nor run a script but its own: whoever named a
 * valve gets no further than a text. What matters stands there without the script, too, as mail programs show it.
 */
export function reportHtml(data: ReportData, { script, style }: PageAssets): string {
  const wording = createWording(data);
  const problems = findProblems(data, wording);
  const sections = data.valves.map((valve, index) =>
    valveSection(valve, index, problems.valves[index] ?? { now: [], past: [] }, data, wording),
  );
  // Between the tags of script and style stands exactly what was hashed.
  const page = markup`${trusted('<!doctype html>')}
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy(script, style)}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="referrer" content="no-referrer">
    <title>TA-Smart valves, ${wording.date(data.fromUs)} – ${wording.date(data.toUs)}</title>
    <style>${trusted(style)}</style>
  </head>
  <body>
    ${header(data, wording)}
    <main class="${data.valves.length > MANY && 'many'}">
      ${problemList(data, problems)}
      ${data.valves.length > 0 && [heatmap(data, wording), valveIndex(data)]}
      <h2 id="valves">Valves</h2>
      ${data.valves.length === 0 ? NO_VALVES : [toolbar(data, wording), chartKeys()]}
      ${sections}
    </main>
    <footer>
      <p>
        Made by tasmart ${data.version} on ${localTime(data.generatedUs, data.timezone)} (${data.timezone}).
        This file is complete in itself: it loads nothing and sends nothing.
      </p>
    </footer>
    ${embeddedJson('report-data', reportPayload(data, wording.offsets))}
    <script>${trusted(script)}</script>
  </body>
</html>
`;
  return page.html;
}

function header(data: ReportData, wording: Wording): Markup {
  return markup`<header>
    <h1>TA-Smart valves</h1>
    <p class="span">
      ${wording.date(data.fromUs)} – ${wording.date(data.toUs)}
      <span>· ${data.timezone} · a reading each ${data.intervalMinutes} min</span>
    </p>
    ${glance(data, wording)}
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
