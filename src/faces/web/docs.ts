import { text } from '../../http/routes.ts';
import type { Desk } from './index.ts';

export function docs({ book, routes }: Desk): void {
  routes
    .open('book', (call) => text(call, 200, book.text, 'application/yaml; charset=utf-8'))
    .open('docs', (call) => text(call, 200, '<!doctype html><title>Stowage</title>', 'text/html; charset=utf-8'));
}
