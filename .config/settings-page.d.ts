export function settingsPage(
  table: readonly { readonly name: string; readonly otherwise: string | undefined; readonly sentence: string }[],
): string;
