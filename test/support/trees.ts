/** XML documents as trees that a test can change in one place. */

export interface Tree {
  readonly name: string;
  /** Child elements, or the text of a leaf. */
  readonly children: string | readonly (Tree | string)[];
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A place in a tree, with variants of the tree. */
export interface Place {
  readonly length: number;
  without(): Tree;
  twice(): Tree;
  with(child: Tree | string): Tree;
}

export function documentOfNodes(tree: Tree | string): string {
  if (typeof tree === 'string') return tree;
  const { name, children, attributes = {} } = tree;
  const said = Object.entries(attributes)
    .map(([attribute, value]) => ` ${attribute}="${value}"`)
    .join('');
  const inner = typeof children === 'string' ? children : children.map(documentOfNodes).join('');
  return `<${name}${said}>${inner}</${name}>`;
}

export function everyNode(root: Tree): { readonly node: Tree; readonly path: Place }[] {
  const visit = (node: Tree, path: readonly number[]): { node: Tree; path: Place }[] => [
    { node, path: placeIn(root, path) },
    ...(typeof node.children === 'string'
      ? []
      : node.children.flatMap((child, at) => (typeof child === 'string' ? [] : visit(child, [...path, at])))),
  ];
  return visit(root, []);
}

function placeIn(root: Tree, path: readonly number[]): Place {
  const change = (by: (node: Tree) => readonly (Tree | string)[]): Tree => edit(root, path, by)[0] as Tree;
  return {
    length: path.length,
    without: () => change(() => []),
    twice: () => change((node) => [node, node]),
    with: (child) =>
      change((node) => [
        { ...node, children: [...(typeof node.children === 'string' ? [node.children] : node.children), child] },
      ]),
  };
}

function edit(
  node: Tree | string,
  [at, ...rest]: readonly number[],
  by: (node: Tree) => readonly (Tree | string)[],
): readonly (Tree | string)[] {
  if (typeof node === 'string') return [node];
  if (at === undefined) return by(node);
  return [
    {
      ...node,
      children: (node.children as readonly (Tree | string)[]).flatMap((child, index) =>
        index === at ? edit(child, rest, by) : [child],
      ),
    },
  ];
}
