import type { ReportData } from './data.ts';
import { markup, type Markup } from './markup.ts';
import { QUALITIES, QUALITY_NAMES } from './page/quality.ts';
import type { Messages } from './messages.ts';

const BUTTONS = [
  { action: 'left', text: '←', label: 'Earlier' },
  { action: 'right', text: '→', label: 'Later' },
  { action: 'in', text: '+', label: 'Zoom in' },
  { action: 'out', text: '−', label: 'Zoom out' },
  { action: 'reset', text: 'Whole span', label: 'Show the whole span' },
] as const;

/** Moves all charts at once; of use only to the script, which shows it. */
export function toolbar(data: ReportData, { span }: Messages): Markup {
  return markup`<div class="toolbar" id="toolbar" role="group" aria-label="Time shown in all charts">
    <a href="#" class="back">← All valves</a>
    <p role="status" id="shown">${span(data)}</p>
    <label>Compare with <select id="other"><option value="">no other valve</option></select></label>
    <div>
      <button type="button" id="valve-csv">CSV</button>
      ${BUTTONS.map(({ action, text, label }) => markup`<button type="button" data-action="${action}" aria-label="${label}" title="${label}">${text}</button>`)}
    </div>
  </div>`;
}

/** How to read the charts, once for all of them. */
export function chartKeys(): Markup {
  const bars = QUALITY_NAMES.filter((quality) => quality !== 'missing').map(
    (quality) => markup`<li><span class="swatch q-${quality}"></span>${QUALITIES[quality].text}</li>`,
  );
  return markup`<div class="chart-keys">
      <p class="hint">
        Energy comes from the valves’ counters. Point at a chart to read its values. Drag across it, or use the buttons,
        to look closer; a double click shows the whole span again.
      </p>
      <ul class="keys" aria-label="What bars and shading mean">
        ${bars}
        <li><span class="swatch gap"></span>no reading; in the bars, no kWh</li>
        <li><span class="swatch error"></span>the valve reported an error</li>
      </ul>
    </div>
    <p class="no-script">
      The charts need JavaScript, which is off here; the numbers behind them stand in the tables.
    </p>`;
}
