import { text } from '../../http/routes.ts';
import type { Desk } from './index.ts';

export function home(desk: Desk): void {
  desk.routes
    .open('home', (call) => text(call, 200, `<!doctype html><title>Stowage</title><p>${desk.capabilities.join(' ')}</p>`, 'text/html; charset=utf-8'))
    .open('style', (call) => text(call, 200, '', 'text/css; charset=utf-8'));
}
