/** whole writes a number with separators between thousands. */
export const whole = (n: number | bigint | string): string => BigInt(n).toLocaleString('en');

/** clock writes the time of day. */
export const clock = (ms: number): string => new Date(ms).toLocaleTimeString('en-GB');

export const plural = (n: number, what: string): string => `${whole(n)} ${what}${n === 1 ? '' : 's'}`;

/** Hash shows the ends of a long hex text; a screen reader and a copy of the cell get all of it. */
export function Hash({ of, href, ends = 6 }: { of: string; href?: string; ends?: number }) {
  const short = of.length > 2 * ends + 3 ? `${of.slice(0, ends + 2)}…${of.slice(-ends)}` : of;
  const shown = <code title={of}>{short}</code>;
  return href ? <a href={href}>{shown}</a> : shown;
}
