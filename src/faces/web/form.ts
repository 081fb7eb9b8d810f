import { text } from '../../http/routes.ts';
import type { Desk } from './index.ts';

export function form({ routes }: Desk): void {
  routes.open('pushForm', (call) => text(call, 400, 'not yet\n'));
}
