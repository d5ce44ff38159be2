import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A declaration of the emitted `.d.ts` files that a signature leads to. */
export interface Reached {
  /** The file's path, without `.d.ts`. */
  readonly file: string
  readonly name: string
  readonly kind: string
}

export interface Reach {
  readonly declarations: readonly Reached[]
  /** Packages whose types occur, Node's excluded. */
  readonly packages: readonly string[]
}

/** The origin of a name in a module: a name of another module or of a package. */
interface Import {
  readonly from: string
  readonly name: string
}

interface Module {
  readonly declarations: ReadonlyMap<string, { readonly kind: string; readonly text: string }>
  readonly imports: ReadonlyMap<string, Import>
}

const comment = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm
const statementStart = /^(?=(?:export|import|declare|interface|type|abstract|class|function|const|enum)\b)/m
const declaration = /^(?:export )?(?:declare )?(?:abstract )?(class|interface|type|function|const|enum) (\w+)/
const namedImport = /^(?:import|export) (?:type )?\{([^}]*)\} from ['"]([^'"]+)['"]/
const defaultImport = /^import (?:type )?(?:\* as )?(\w+) from ['"]([^'"]+)['"]/
/** Strings, and the names of members and parameters. */
const notNaming = /'[^'\n]*'|"[^"\n]*"|\b\w+\??:|^ +(?:get |set )?\w+(?=[(<])/gm
const inlineImport = /\bimport\(["']([^"']+)["']\)/g

/** Follows the types that declarations name, from module to module. */
export class Declarations {
  readonly #modules = new Map<string, Module>()

  /** The names that a module exports. */
  exportsOf(file: string): readonly string[] {
    const { declarations, imports } = this.#module(file)
    const declared = [...declarations].filter(([, { text }]) => text.startsWith('export ')).map(([name]) => name)
    const reexported = [...imports.keys()].filter((name) => name.startsWith('export '))
    return [...declared, ...reexported.map((name) => name.slice('export '.length))]
  }

  /** The text of a declaration. */
  textOf(file: string, name: string): string {
    const found = this.#module(file).declarations.get(name)
    if (found === undefined) throw new Error(`${file} declares no ${name}`)
    return found.text
  }

  /** All declarations and packages that the signatures of some exports name, directly or indirectly. */
  reach(file: string, names: readonly string[]): Reach {
    const declarations = new Map<string, Reached>()
    const packages = new Set<string>()
    const visit = (at: string, name: string): void => {
      const { declarations: own, imports } = this.#module(at)
      const found = own.get(name)
      if (found === undefined) {
        const imported = imports.get(name) ?? imports.get(`export ${name}`)
        if (imported !== undefined) go(at, imported)
        return
      }
      const id = `${at} ${name}`
      if (declarations.has(id)) return
      declarations.set(id, { file: at, name, kind: found.kind })
      for (const [, from = ''] of found.text.matchAll(inlineImport)) {
        if (!from.startsWith('.')) packages.add(from)
      }
      for (const word of new Set(found.text.replace(notNaming, '').match(/\w+/g))) {
        if (word !== name && (own.has(word) || imports.has(word))) visit(at, word)
      }
    }
    const go = (at: string, { from, name }: Import): void => {
      if (from.startsWith('.')) visit(join(dirname(at), from.replace(/\.[jt]s$/, '')), name)
      else if (!from.startsWith('node:')) packages.add(from)
    }
    for (const name of names) visit(file, name)
    return { declarations: [...declarations.values()], packages: [...packages] }
  }

  #module(file: string): Module {
    const known = this.#modules.get(file)
    if (known !== undefined) return known
    const path = `${file}.d.ts`
    if (!existsSync(path)) throw new Error(`There is no ${path}`)
    const module = parse(readFileSync(path, 'utf8'))
    this.#modules.set(file, module)
    return module
  }
}

function parse(text: string): Module {
  const declarations = new Map<string, { kind: string; text: string }>()
  const imports = new Map<string, Import>()
  for (const statement of text.replace(comment, '').split(statementStart)) {
    for (const [local, imported] of importsIn(statement)) imports.set(local, imported)
    const [, kind, name] = declaration.exec(statement) ?? []
    if (kind === undefined || name === undefined) continue
    // A function may have several signatures.
    declarations.set(name, { kind, text: (declarations.get(name)?.text ?? '') + statement })
  }
  return { declarations, imports }
}

/** The names that a statement imports; a re-exported one is called `export NAME`. */
function* importsIn(statement: string): Generator<readonly [local: string, imported: Import]> {
  const [, whole, fromWhole] = defaultImport.exec(statement) ?? []
  if (whole !== undefined && fromWhole !== undefined) yield [whole, { from: fromWhole, name: 'default' }]
  const [, names = '', from] = namedImport.exec(statement) ?? []
  if (from === undefined) return
  const prefix = statement.startsWith('export') ? 'export ' : ''
  for (const part of names.split(',')) {
    const [name = '', local = name] = part
      .trim()
      .replace(/^type /, '')
      .split(' as ')
    if (name !== '') yield [prefix + local, { from, name }]
  }
}
