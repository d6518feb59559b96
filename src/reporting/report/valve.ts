import { localTime } from '../units.ts';
import { chartsOf, groupsOf } from './charts.ts';
import type { ReportData, ValveReport } from './data.ts';
import { embeddedJson, valvePayload } from './embedded.ts';
import { isWorthShowing, totalText } from './energy.ts';
import { markup, type Markup } from './markup.ts';
import type { ValveProblems } from './problems.ts';
import { tables } from './tables.ts';
import { completeness, grouped, name, sectionId, sentence, stateText, sumOf, type Wording } from './wording.ts';

/** One valve: what is known of it, what is wrong with it, its charts and the numbers behind them. */
export function valveSection(
  valve: ValveReport,
  index: number,
  problems: ValveProblems,
  data: ReportData,
  wording: Wording,
): Markup {
  const id = sectionId(index);
  const charts = chartsOf(valve, data);
  const texts = [...problems.now, ...problems.past];
  return markup`<section class="valve" id="${id}" aria-labelledby="${id}-name">
      <h3 id="${id}-name">
        ${name(valve.label)} <span class="badge ${stateText(valve.state)}">${stateText(valve.state)}</span>
      </h3>
      ${facts(valve, data)}
      ${
        texts.length > 0 &&
        markup`<ul class="problems">
          ${texts.map((text) => markup`<li>${sentence(capitalised(text))}</li>`)}
        </ul>`
      }
      ${charts.length > 0 && markup`<div class="charts ${columns(valve)}" data-valve="${id}-data">${charts.map(({ figure }) => figure)}</div>`}
      ${tables(valve, data, wording)}
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

/** So that no row is left with a hole in it. */
function columns({ series }: ValveReport): string {
  const amount = groupsOf(series).length;
  return amount === 1 ? 'one' : amount === 2 || amount === 4 ? 'two' : 'three';
}

function facts(valve: ValveReport, { timezone }: ReportData): Markup {
  const { present, expected } = sumOf(valve.days);
  const percent = completeness(valve.days, 1);
  const known: [string, string | Markup | null][] = [
    ['Newest reading', valve.newestUs === null ? 'none' : localTime(valve.newestUs, timezone).slice(0, 16)],
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
