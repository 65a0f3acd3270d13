/** One group of horizontal bars on its own scale. */
export interface BarPanel {
  readonly title: string;
  /** Said under the title: the unit, and which direction is good. */
  readonly note: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** Range over the rounds, drawn as a whisker. */
  readonly min: number;
  readonly max: number;
  /** Text at the end of the bar. */
  readonly text: string;
  readonly colour: string;
}

const PANEL_WIDTH = 380;
const PANEL_GAP = 28;
const COLUMNS = 3;
const LABEL_WIDTH = 58;
const TEXT_WIDTH = 84;
const BAR_HEIGHT = 20;
const BAR_STEP = 28;
const HEAD_HEIGHT = 46;
const MARGIN = 24;
const TITLE_HEIGHT = 56;
const FONT = 'font-family="ui-sans-serif, system-ui, Helvetica, Arial, sans-serif"';

/** A picture of panels, three to a row, light background, readable without the page around it. */
export function svgBars(title: string, subtitle: string, panels: readonly BarPanel[]): string {
  const barCount = Math.max(1, ...panels.map((panel) => panel.bars.length));
  const panelHeight = HEAD_HEIGHT + barCount * BAR_STEP;
  const rows = Math.ceil(panels.length / COLUMNS);
  const width = 2 * MARGIN + COLUMNS * PANEL_WIDTH + (COLUMNS - 1) * PANEL_GAP;
  const height = 2 * MARGIN + TITLE_HEIGHT + rows * panelHeight + (rows - 1) * PANEL_GAP;
  const body = panels.map((panel, index) => {
    const x = MARGIN + (index % COLUMNS) * (PANEL_WIDTH + PANEL_GAP);
    const y = MARGIN + TITLE_HEIGHT + Math.floor(index / COLUMNS) * (panelHeight + PANEL_GAP);
    return `<g transform="translate(${x} ${y})">${panelBody(panel)}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ${FONT}>
<rect width="${width}" height="${height}" fill="#ffffff"/>
${text(MARGIN, MARGIN + 18, title, 'font-size="20" font-weight="600" fill="#1b1f24"')}
${text(MARGIN, MARGIN + 40, subtitle, 'font-size="13" fill="#57606a"')}
${body.join('\n')}
</svg>
`;
}

function panelBody(panel: BarPanel): string {
  const top = Math.max(0, ...panel.bars.map((bar) => bar.max));
  const space = PANEL_WIDTH - LABEL_WIDTH - TEXT_WIDTH;
  const scale = (value: number): number => round(top === 0 ? 0 : (value / top) * space);
  const bars = panel.bars.map((bar, index) => {
    const y = HEAD_HEIGHT + index * BAR_STEP;
    const middle = y + BAR_HEIGHT / 2;
    const from = LABEL_WIDTH + scale(bar.min);
    const to = LABEL_WIDTH + scale(bar.max);
    return [
      text(LABEL_WIDTH - 8, middle + 4, bar.label, 'font-size="13" fill="#1b1f24" text-anchor="end"'),
      `<rect x="${LABEL_WIDTH}" y="${y}" width="${scale(bar.value)}" height="${BAR_HEIGHT}" rx="2" fill="${bar.colour}"/>`,
      `<path d="M${from} ${middle}H${to}M${from} ${middle - 4}v8M${to} ${middle - 4}v8" stroke="#1b1f24" stroke-opacity="0.55" fill="none"/>`,
      text(
        LABEL_WIDTH + scale(Math.max(bar.value, bar.max)) + 8,
        middle + 4,
        bar.text,
        'font-size="13" fill="#1b1f24"',
      ),
    ].join('');
  });
  return [
    text(0, 14, panel.title, 'font-size="15" font-weight="600" fill="#1b1f24"'),
    text(0, 32, panel.note, 'font-size="12" fill="#57606a"'),
    ...bars,
  ].join('\n');
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escapeXml(content)}</text>`;
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
