/** What a caller may see, as indexes can tell it. */
import type { Expression, ExpressionBuilder, SqlBool } from 'kysely';
import type { Db } from './host.ts';
import type { Tables } from './schema.ts';

/** Namespaces whose things `namespace` sees because of who owns them: its own and those that trust it. */
export async function owners(db: Db, namespace: string): Promise<string[]> {
  const trusting = await db.selectFrom('trusts').select('namespace').where('trusted', '=', namespace).execute();
  return [namespace, ...trusting.map((row) => row.namespace).filter((name) => name !== namespace)];
}

/** Whether `namespace` sees the blob in the row at hand, through any version. */
export function seesBlob(namespace: string) {
  return (eb: ExpressionBuilder<Tables, 'blobs'>): Expression<SqlBool> => {
    const versions = eb.selectFrom('versions').select(eb.lit(1).as('one')).whereRef('versions.blob', '=', 'blobs.uuid');
    return eb.or([
      eb.exists(versions.where('versions.namespace', '=', namespace)),
      eb.exists(versions.where('versions.shared', '=', eb.lit(1))),
      eb.exists(
        versions.innerJoin('trusts', 'trusts.namespace', 'versions.namespace').where('trusts.trusted', '=', namespace),
      ),
    ]);
  };
}
