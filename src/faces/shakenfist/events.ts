import type { EventType, Subject } from '../../core/records.ts';
import type { OwnedCall } from '../../http/routes.ts';
import type { Context } from './context.ts';

interface EventFilter {
  readonly event_type?: EventType | null;
  /** The old command line sends a string. */
  readonly limit?: number | string | null;
}

const usual = 100;
const most = 10_000;

/** The events of an artifact, blob or namespace. Filters are in the body, as old clients send them, or in the query. */
export function events({ core, routes, views }: Context): void {
  const answer = async (call: OwnedCall, subject: Subject, id: string): Promise<unknown> => {
    const body = call.body<EventFilter>();
    const type = call.params.maybeText('event_type') ?? body.event_type;
    const limit = Number(call.params.maybeInteger('limit') ?? body.limit ?? usual);
    const found = await core.events.events(subject, id, {
      ...(type ? { type: type as EventType } : {}),
      limit: Math.min(limit, most),
    });
    return found.map((event) => views.event(event));
  };
  routes
    .owned('listArtifactEvents', async (call) =>
      answer(call, 'artifact', (await core.artifacts.get(call.who, call.params.text('ref'))).uuid),
    )
    .owned('listBlobEvents', async (call) =>
      answer(call, 'blob', (await core.blobs.get(call.who, call.params.text('uuid'))).uuid),
    );
}
