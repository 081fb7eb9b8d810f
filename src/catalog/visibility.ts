/** Visibility in terms of indexed columns. */
import type { Expression, ExpressionBuilder, SqlBool } from 'kysely';
import type { Db } from './host.ts';
import type { Tables } from './schema.ts';

/** Namespaces whose records are visible to `namespace`: its own and those that trust it. */
export async function owners(db: Db, namespace: string): Promise<string[]> {
  const trusting = await db.selectFrom('trusts').select('namespace').where('trusted', '=', namespace).execute();
  return [namespace, ...trusting.map((row) => row.namespace).filter((name) => name !== namespace)];
}

/** Whether `namespace` sees the blob in the current row through any version. */
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
