import { render } from 'preact';
import { App } from './app';
import { live } from './live';
import './page.css';

render(<App />, document.body);
live.start().catch((err: Error) => live.set({ connection: 'lost', trouble: err.message }));
