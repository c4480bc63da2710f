// Results as a plot: CPU time of each proxy in the main cases, as bars. Plain SVG that is readable on light and dark pages.
import type { CaseResult } from './measure.ts';
import { costOf, spreadOf } from './report.ts';

const WIDTH = 760;
const LABELS = 130;
const BAR = 18;
const GAP = 6;
const TITLE = 30;

/** One group of bars for each case, each group to its own scale. */
export function formatPlot(results: readonly CaseResult[]): string {
  let y = 10;
  const parts: string[] = [];
  for (const { title, per, samples } of results) {
    const bars = samples
      .filter(({ proxy }) => proxy !== 'direct')
      .map(({ proxy, rounds }) => ({ proxy, ...spreadOf(rounds.map((sample) => costOf(per, sample))) }));
    const scale = (WIDTH - LABELS - 120) / Math.max(...bars.map(({ most }) => most));
    const unit = per === 'request' ? 'CPU µs a request' : 'CPU s a GiB';
    parts.push(`<text x="0" y="${y + 14}" class="title">${escapeXml(title)}: ${unit}</text>`);
    y += TITLE;
    for (const { proxy, median, least, most } of bars) {
      const middle = y + BAR / 2;
      parts.push(
        `<text x="${LABELS - 8}" y="${middle + 4}" text-anchor="end">${escapeXml(proxy)}</text>`,
        `<rect x="${LABELS}" y="${y}" width="${round(median * scale)}" height="${BAR}" class="${proxy.startsWith('gateway') ? 'gateway' : 'other'}"/>`,
        `<path d="M${round(LABELS + least * scale)} ${middle}H${round(LABELS + most * scale)}" class="spread"/>`,
        `<text x="${round(LABELS + most * scale + 8)}" y="${middle + 4}">${median.toFixed(per === 'request' ? 0 : 2)}</text>`,
      );
      y += BAR + GAP;
    }
    y += 12;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-label="CPU time of the gateway and of other proxies">
<style>
text { font: 13px system-ui, sans-serif; fill: #777 }
.title { font-weight: 600 }
.gateway { fill: #d9730d }
.other { fill: #9aa5b1 }
.spread { stroke: #555; stroke-width: 2 }
</style>
${parts.join('\n')}
</svg>
`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
