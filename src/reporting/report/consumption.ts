/** The consumption of all valves: total, change, days, and the valves that consume most. */
import { epochSeconds, type Micros } from '../../domain/time.ts';
import type { ReportData } from './data.ts';
import { barsOf, compareWithPrevious, fleetTotal, kwhText, percentText, signedText, totalText } from './energy.ts';
import { markup, type Markup } from './markup.ts';
import { groupedCount, nameMarkup, sectionId, type Messages } from './messages.ts';
import { dayText, wallOf, type ZoneOffsets } from './page/local-time.ts';
import { groupThousands } from './page/numbers.ts';

/** How many valves the ranking shows. The table shows all. */
const RANKED = 10;

export function consumption(data: ReportData, messages: Messages): Markup {
  const counters = ([1, 2] as const).filter((regime) => regime === 1 || fleetTotal(data.valves, 2).isWorthShowing);
  return markup`<section aria-labelledby="consumption">
    <h2 id="consumption">Consumption</h2>
    ${counters.map((regime) => regimeConsumption(regime, counters.length > 1, data, messages))}
  </section>`;
}

function regimeConsumption(regime: 1 | 2, isOneOfTwo: boolean, data: ReportData, messages: Messages): Markup {
  return markup`<div class="consumption">
    <div>
      <p class="total">
        <b>${fleetTotal(data.valves, regime).text}</b> kWh
        ${isOneOfTwo && markup`<small>regime ${regime}</small>`}
      </p>
      <p class="hint">${comparison(regime, data, messages)}</p>
      ${days(regime, data, messages)}
    </div>
    ${data.valves.length > 1 && ranking(regime, data)}
  </div>`;
}

function comparison(regime: 1 | 2, data: ReportData, { date }: Messages): string {
  const compared = compareWithPrevious(data.valves, regime);
  const span = `${date(data.previous.fromUs)} – ${date(data.previous.toUs)}`;
  if (!compared) return `No valve has kWh throughout the previous period, ${span}.`;
  const { percent, differenceKwh, previousKwh, comparedValves } = compared;
  const change = `${signedText(differenceKwh)} kWh${percent === null ? '' : ` (${percentText(percent)})`}`;
  const isPart = comparedValves < data.valves.length;
  const part = isPart ? ` (${groupedCount(comparedValves, 'valve')} with kWh in both)` : '';
  return `${change} against ${kwhText(previousKwh)} kWh in the previous period, ${span}${part}.`;
}

interface DaySum {
  startS: number;
  kwh: number;
  /** false: some kWh are missing or provisional */
  isWhole: boolean;
}

/** Adds up the bars of all valves by local day. All valves have the same days. */
function sumDays(regime: 1 | 2, { valves, fromUs }: ReportData): DaySum[] {
  const starts = valves[0]?.days.map(({ startUs }) => epochSeconds(startUs)) ?? [];
  const sums = starts.map((startS) => ({ startS, kwh: 0, isWhole: true }));
  for (const { energy, days, state } of valves) {
    const counter = energy.find((candidate) => candidate.regime === regime);
    const bars = counter ? barsOf(counter, fromUs) : [];
    const firstKnownS = bars.find(({ quality }) => quality !== 'missing')?.startS ?? Infinity;
    let day = 0;
    for (const { startS, kwh, quality } of bars) {
      while (startS >= (starts[day + 1] ?? Infinity)) day++;
      const sum = sums[day];
      if (!sum) continue;
      sum.kwh += kwh ?? 0;
      // A valve that left misses no kWh. Nor does a new valve, on the day of its first bar, before that bar.
      const isBeforeFirstBar = startS < firstKnownS && firstKnownS < (starts[day + 1] ?? Infinity);
      const isExpected = state !== 'left' && (days[day]?.expected ?? 0) > 0 && !isBeforeFirstBar;
      if (isExpected && (quality === 'missing' || quality === 'provisional')) sum.isWhole = false;
    }
  }
  return sums;
}

/** With more days than this, only some bars have a date below. */
const MAX_DATES = 16;
/** With more days than this, the bars have no kWh above. */
const MAX_VALUES = 10;

interface DayBar extends DaySum {
  weekday: string;
  day: string;
  month: string;
  /** the span begins or ends within the day */
  isCut: boolean;
  isPale: boolean;
}

function dayBars(regime: 1 | 2, data: ReportData, offsets: ZoneOffsets): DayBar[] {
  const dateOf = (timeS: number) => dayText(wallOf(offsets, timeS));
  // Not every day begins at 0:00: in Cairo, summer time begins at midnight.
  const isWithinDay = (timeUs: Micros) => dateOf(epochSeconds(timeUs)) === dateOf(epochSeconds(timeUs) - 1);
  const [isFirstCut, isLastCut] = [isWithinDay(data.fromUs), isWithinDay(data.toUs)];
  return sumDays(regime, data).map((sum, index, sums) => {
    const [weekday = '', day = '', month = ''] = dateOf(sum.startS).split(' ');
    const isCut = (index === 0 && isFirstCut) || (index === sums.length - 1 && isLastCut);
    return { ...sum, weekday, day, month, isCut, isPale: isCut || !sum.isWhole };
  });
}

/** A bar per day. Pale bars: the span begins or ends within the day, or kWh are missing or provisional. */
function days(regime: 1 | 2, data: ReportData, { offsets }: Messages): Markup {
  const bars = dayBars(regime, data, offsets);
  const most = Math.max(...bars.map(({ kwh }) => kwh), 0.001);
  const dateStep = Math.ceil(bars.length / MAX_DATES);
  const items = bars.map(({ weekday, day, month, kwh, isCut, isPale }, index) => {
    const note = isCut ? ', part of the day' : isPale ? ', some kWh are missing or provisional' : '';
    const text = `${weekday} ${day} ${month}: ${kwhText(kwh)} kWh${note}`;
    const height = Math.max((kwh / most) * 100, 0.5).toFixed(1);
    const y = (100 - Number(height)).toFixed(1);
    // Dates are counted from the last bar, so the first date may be up to a step away from the first bar.
    const hasDate = (bars.length - 1 - index) % dateStep === 0;
    const hasMonth = bars[index - dateStep]?.month !== month;
    const date = [
      bars.length <= MAX_DATES && markup`${weekday}<br>`,
      day,
      markup`<br><small>${hasMonth && month}</small>`,
    ];
    return markup`<li title="${text}">
      ${bars.length <= MAX_VALUES && markup`<b aria-hidden="true">${kwhText(kwh)}</b>`}
      <svg viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden="true" class="${isPale && 'part'}">
        <rect y="${y}" width="10" height="${height}"/>
      </svg>
      <span class="hidden">${text}</span>
      <span aria-hidden="true">${hasDate && date}</span>
    </li>`;
  });
  const hint = markup`<p class="hint">Pale: part of a day, or some kWh are missing or provisional.</p>`;
  return markup`<ol class="days" aria-label="kWh by day (${data.timezone})">
    ${items}
  </ol>
  ${bars.some(({ isPale }) => isPale) && hint}`;
}

/** The valves that consume most, each with its share of all; null: none consumes. */
function ranking(regime: 1 | 2, { valves }: ReportData): Markup | null {
  const total = fleetTotal(valves, regime).totalKwh ?? 0;
  const consumers = valves
    .flatMap((valve, index) => {
      const counter = valve.energy.find((candidate) => candidate.regime === regime);
      const kwh = counter?.totalKwh ?? 0;
      return counter && kwh > 0 ? [{ valve, index, counter, kwh }] : [];
    })
    .sort((a, b) => b.kwh - a.kwh);
  const [greatest] = consumers;
  if (!greatest) return null;
  const heading =
    consumers.length > RANKED
      ? `The ${RANKED} of ${groupThousands(valves.length)} valves that consume most`
      : 'Valves by consumption';
  return markup`<div>
    <h3 class="group">${heading}</h3>
    <ol class="ranking">
      ${consumers.slice(0, RANKED).map(
        ({ valve, index, counter, kwh }) =>
          markup`<li>
            <a href="#${sectionId(index)}">${nameMarkup(valve.label)}</a>
            <span>${totalText(counter)} kWh</span>
            <span>${total > 0 && `${((kwh / total) * 100).toFixed(1)} %`}</span>
            <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width="${((kwh / greatest.kwh) * 100).toFixed(1)}" height="1"/></svg>
          </li>`,
      )}
    </ol>
  </div>`;
}
