import { chartsOf } from './charts.ts';
import type { ReportData, ValveReport } from './data.ts';
import { embeddedJson, valvePayload } from './embedded.ts';
import { isWorthShowing, totalText } from './energy.ts';
import { markup, type Markup } from './markup.ts';
import type { ValveProblem } from './problems.ts';
import { tables } from './tables.ts';
import { completeness, name, sectionId, sentence, stateText, sumOf, type Messages } from './messages.ts';
import { grouped } from './page/numbers.ts';

/** One valve: what is known of it, what is wrong with it, its charts and the numbers behind them. */
export function valveSection(
  valve: ValveReport,
  index: number,
  problems: readonly ValveProblem[],
  data: ReportData,
  messages: Messages,
): Markup {
  const id = sectionId(index);
  const charts = chartsOf(valve, data);
  const texts = problems.map(({ title, detail }) => (detail === '' ? title : `${title}: ${detail}`));
  return markup`<section class="valve" id="${id}" aria-labelledby="${id}-name">
      <h2 id="${id}-name" tabindex="-1">
        ${name(valve.label)} <span class="badge ${stateText(valve.state)}">${stateText(valve.state)}</span>
      </h2>
      ${facts(valve, messages)}
      ${
        texts.length > 0 &&
        markup`<ul class="problems">
          ${texts.map((text) => markup`<li>${sentence(capitalised(text))}</li>`)}
        </ul>`
      }
      ${charts.length > 0 && markup`<div class="charts" data-valve="${id}-data">${charts.map(({ figure }) => figure)}</div>`}
      ${tables(valve, data, messages)}
    </section>
    ${
      charts.length > 0 &&
      embeddedJson(
        `${id}-data`,
        valvePayload(
          valve,
          data.fromUs,
          charts.map(({ payload }) => payload),
        ),
      )
    }`;
}

function facts(valve: ValveReport, { time }: Messages): Markup {
  const { present, expected } = sumOf(valve.days);
  const percent = completeness(valve.days, 1);
  const known: [string, string | Markup | null][] = [
    ['Newest reading', valve.newestUs === null ? 'none' : time(valve.newestUs)],
    ['Complete', percent === null ? null : `${percent} %, ${grouped(String(present))} of ${grouped(String(expected))}`],
    ...valve.energy.map((register): [string, string] => [
      `Energy, register ${register.regime}`,
      register.regime === 1 || isWorthShowing(register) ? `${totalText(register)} kWh` : 'nothing',
    ]),
    ['Counters', counters(valve)],
    ['Serial', valve.shortSn === null ? null : name(valve.shortSn)],
    ['Full serial', valve.fullSn === null ? null : name(valve.fullSn)],
    ['Project', valve.projectName === null ? null : name(valve.projectName)],
    ['Linked to register', valve.backendRef === null ? null : name(valve.backendRef)],
    ['Firmware', valve.firmware === null ? null : name(valve.firmware)],
    ['Id', name(valve.id)],
  ];
  const shown = known.filter(([, value]) => value !== null);
  return markup`<dl class="facts">
    ${shown.map(
      ([label, value]) =>
        markup`<div>
          <dt>${label}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

function counters({ counter1Kwh, counter2Kwh }: ValveReport): string | null {
  const shown = [counter1Kwh, counter2Kwh].map((kwh) => (kwh === null ? '–' : grouped(String(kwh))));
  return counter1Kwh === null && counter2Kwh === null ? null : `${shown.join(' / ')} kWh`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
