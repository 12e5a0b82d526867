import type { DbcProblem } from "./dbc.ts";

/** One statement of a DBC file on one line, whatever it was spread over. */
export interface Statement {
  readonly line: number;
  readonly keyword: string;
  readonly text: string;
}

/** Statements that end with a semicolon and may go on over several lines. */
const LONG =
  /^(?:CM_|VAL_|VAL_TABLE_|BA_|BA_DEF_|BA_DEF_DEF_|BA_REL_|SIG_VALTYPE_|SIG_GROUP_|SG_MUL_VAL_|BO_TX_BU_|EV_)$/;
const KEYWORD = /^[A-Z][A-Z_]*_?(?=[\s:]|$)/;
/** A statement that starts a line ends one that forgot its semicolon. */
const STARTS_ANEW = /^(?:BO_|SG_|BU_|BS_|NS_|CM_|VAL_|VAL_TABLE_|BA_\w*|SIG_VALTYPE_|SG_MUL_VAL_|VERSION)\s/;

/**
 * Cuts a DBC file into statements. Never throws: what does not end is given up after its first line, with a problem, so
 * that a forgotten quote costs one statement and not the rest of the file.
 */
export function splitStatements(text: string, problems: DbcProblem[]): Statement[] {
  const lines = text.split(/\r\n|\n|\r/);
  const statements: Statement[] = [];
  for (let index = 0; index < lines.length; index++) {
    const first = (lines[index] as string).trim();
    const keyword = KEYWORD.exec(first)?.[0];
    if (first === "" || first.startsWith("//")) continue;
    if (keyword === undefined) {
      // The names listed after NS_: match KEYWORD, so this is nothing that the format knows.
      problems.push({ line: index + 1, text: `not understood: ${excerpt(first)}` });
      continue;
    }
    const taken = LONG.test(keyword) ? linesOf(lines, index) : 1;
    if (taken === 0) problems.push({ line: index + 1, text: `${keyword} has no end; it was skipped` });
    else
      statements.push({
        line: index + 1,
        keyword,
        text: lines
          .slice(index, index + taken)
          .join("\n")
          .trim(),
      });
    index += Math.max(taken, 1) - 1;
  }
  return statements;
}

/** How many lines the long statement that begins at `from` takes; 0 when it has no end. */
function linesOf(lines: readonly string[], from: number): number {
  let quoted = false;
  for (let index = from; index < lines.length; index++) {
    const line = lines[index] as string;
    if (index > from && !quoted && STARTS_ANEW.test(line)) return 0;
    quoted = quoteState(line, quoted);
    if (!quoted && /;\s*(?:\/\/.*)?$/.test(line)) return index - from + 1;
    // The list after NS_ has these words alone on their lines.
    if (index === from && /^\s*\w+\s*$/.test(line)) return 1;
  }
  return 0;
}

function quoteState(line: string, quoted: boolean): boolean {
  let inside = quoted;
  for (let index = 0; index < line.length; index++) {
    if (line[index] === "\\" && inside) index++;
    else if (line[index] === '"') inside = !inside;
  }
  return inside;
}

/** The first characters of a line, for a message. */
export function excerpt(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, "?");
  return JSON.stringify(plain.length > 60 ? `${plain.slice(0, 57)}...` : plain);
}
