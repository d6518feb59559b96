/** The controls of the charts, and how to read them. */
import type { ReportFrame } from './data.ts';
import { CHILLED_BELOW_C, HEATING_ABOVE_C } from './delta-t.ts';
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

/** Buttons to zoom all charts, compare valves, and save CSV. Hidden until the script shows them. */
export function toolbar(frame: ReportFrame, { span }: Messages): Markup {
  return markup`<div class="toolbar" id="toolbar" role="group" aria-label="Time shown in all charts">
    <a href="#" class="back">← All valves</a>
    <p role="status" id="shown">${span(frame)}</p>
    <div>
      ${BUTTONS.map(({ action, text, label }) => markup`<button type="button" data-action="${action}" aria-label="${label}" title="${label}">${text}</button>`)}
    </div>
  </div>
  <p class="actions">
    <select id="other" aria-label="Compare with"><option value="">Compare with…</option></select>
    <button type="button" id="energy-csv">CSV of kWh</button>
    <button type="button" id="readings-csv">CSV of readings</button>
  </p>`;
}

/** How to read the charts, once for all of them. */
export function chartKeys(): Markup {
  const bars = QUALITY_NAMES.filter((quality) => quality !== 'missing').map(
    (quality) => markup`<li><span class="swatch q-${quality}"></span>${QUALITIES[quality].text}</li>`,
  );
  return markup`<div class="chart-keys">
      <p class="hint">
        Energy comes from the valves’ counters. Point at a chart to read its values. Drag across it, or use the buttons,
        to zoom in; a double click shows the whole span again. Percentages beside kWh compare with the previous period.
        Supply and return are named by temperature: above ${HEATING_ABOVE_C} °C the warmer pipe is the supply, below ${CHILLED_BELOW_C} °C the colder one.
      </p>
      <ul class="keys" aria-label="What bars and shading mean">
        ${bars}
        <li><span class="swatch gap"></span>no reading; in the bars, no kWh</li>
        <li><span class="swatch error"></span>the valve reported an error</li>
        <li><span class="swatch event"></span>an event of a counter</li>
        <li><span class="swatch without"></span>readings without flow or power</li>
      </ul>
    </div>
    <p class="no-script">
      The charts need JavaScript, which is off here. The tables hold the numbers behind them.
    </p>`;
}
