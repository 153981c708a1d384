import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** Panel is what a person has chosen to see. Its heading gets the focus, so that a keyboard and a screen reader go on there. */
export function Panel({ title, children }: { title: string; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus();
    heading.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  return (
    <section class="panel" aria-labelledby="panel">
      <div class="title">
        <h2 id="panel" ref={heading} tabIndex={-1}>{title}</h2>
        <a class="close" href="#/">Close</a>
      </div>
      {children}
    </section>
  );
}
