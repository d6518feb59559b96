/** A valve's section: facts, problems, charts, and tables of the charts' numbers. */
import { chartsOf } from './charts.ts';
import { completePercent, totalCompleteness } from './completeness.ts';
import type { DeltaT, RegimeEnergy, ReportFrame, ValveReport } from './data.ts';
import { LOW_DELTA_T_K } from './delta-t.ts';
import { embeddedJson, valvePayload } from './embedded.ts';
import { changePercent, isWorthShowing, percentText, totalText } from './energy.ts';
import { markup, type Markup } from './markup.ts';
import { nameMarkup, sectionId, sentence, stateClass, stateText, type Messages } from './messages.ts';
import { groupThousands } from './page/numbers.ts';
import { capitalise } from './problem-list.ts';
import type { ValveProblem } from './problems.ts';
import { strip } from './strip.ts';
import { tables } from './tables.ts';

export function valveSection(
  valve: ValveReport,
  index: number,
  problems: readonly ValveProblem[],
  frame: ReportFrame,
  messages: Messages,
): Markup {
  const id = sectionId(index);
  const charts = chartsOf(valve, frame);
  const problemTexts = problems.map(({ title, detail }) => (detail === '' ? title : `${title} · ${detail}`));
  return markup`<section class="valve" id="${id}" aria-labelledby="${id}-name">
      <h2 id="${id}-name" tabindex="-1">
        ${nameMarkup(valve.label)} <span class="badge ${stateClass(valve.state)}">${stateText(valve.state)}</span>
      </h2>
      ${facts(valve, messages)}
      ${
        problemTexts.length > 0 &&
        markup`<ul class="problems">
          ${problemTexts.map((text) => markup`<li>${sentence(capitalise(text))}</li>`)}
        </ul>`
      }
      ${charts.length > 0 && markup`<div class="charts" data-valve="${id}-data">${charts.map(({ figure }) => figure)}</div>`}
      ${tables(valve, frame, messages)}
    </section>
    ${
      charts.length > 0 &&
      embeddedJson(
        `${id}-data`,
        valvePayload(
          valve,
          frame,
          charts.map(({ payload }) => payload),
        ),
      )
    }`;
}

/** What is known of the valve. Facts that are null are left out. */
function facts(valve: ValveReport, { time }: Messages): Markup {
  const { present, expected } = totalCompleteness(valve.days);
  const percent = completePercent(valve.days);
  const text = (value: string | null): Markup | null => (value === null ? null : nameMarkup(value));
  const entries: [label: string, value: string | Markup | null][] = [
    ...valve.energy.map((counter): [string, string] => [`Energy, regime ${counter.regime}`, energyText(counter)]),
    ['Counters', countersText(valve)],
    ['ΔT while water flows', valve.deltaT && deltaTText(valve.deltaT)],
    ['Newest reading', valve.newestUs === null ? 'none' : time(valve.newestUs)],
    [
      'Complete',
      percent === null
        ? null
        : markup`${percent} %, ${groupThousands(present)} of ${groupThousands(expected)} ${strip(valve.days)}`,
    ],
    ['Serial', text(valve.shortSn)],
    ['Full serial', text(valve.fullSn)],
    ['Account', text(valve.account)],
    ['Project', text(valve.projectName)],
    ['Linked to register', text(valve.backendRef)],
    ['Firmware', text(valve.firmware)],
    ['Id', nameMarkup(valve.id)],
  ];
  return markup`<dl class="facts">
    ${entries.map(
      ([label, value]) =>
        value !== null &&
        markup`<div>
          <dt>${label}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

function energyText(counter: RegimeEnergy): string {
  if (counter.regime === 2 && counter.totalKwh === 0 && !isWorthShowing(counter)) return 'nothing';
  const change = changePercent(counter);
  return `${totalText(counter)} kWh${change === null ? '' : `, ${percentText(change)}`}`;
}

/** `mean 17.6 K, below 5 K for 3 of 168 h` */
function deltaTText({ meanK, hours, lowHours }: DeltaT): string {
  const low = lowHours > 0 && lowHours < 10 ? lowHours.toFixed(1) : lowHours.toFixed(0);
  return `mean ${meanK.toFixed(1)} K, below ${LOW_DELTA_T_K} K for ${groupThousands(low)} of ${groupThousands(hours.toFixed(0))} h`;
}

function countersText({ counter1Kwh, counter2Kwh }: ValveReport): string | null {
  if (counter1Kwh === null && counter2Kwh === null) return null;
  const texts = [counter1Kwh, counter2Kwh].map((kwh) => (kwh === null ? '–' : groupThousands(kwh)));
  return `${texts.join(' / ')} kWh`;
}
