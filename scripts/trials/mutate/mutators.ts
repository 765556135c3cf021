/**
 * All small changes that can be made to a module so that it still parses.
 * Knows the syntax of TypeScript; refuses to know what the module does, and which changes matter.
 * @module
 */
import ts from "typescript";

/** One change of one module. */
export interface Mutation {
  /** What kind of change it is. */
  readonly kind: string;
  /** What stands in the text from `start` to `end`... */
  readonly start: number;
  readonly end: number;
  /** ...and what takes its place. */
  readonly replacement: string;
}

/** For each binary operator those it is changed into. */
const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "&&": ["||"],
  "||": ["&&"],
  "??": ["||"],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "&": ["|"],
  "|": ["&"],
  "^": ["&"],
  "<<": [">>"],
  ">>": ["<<"],
  ">>>": ["<<"],
  "+=": ["-="],
  "-=": ["+="],
  "|=": ["&="],
  "&=": ["|="],
  "??=": ["="],
};
/** They may not stand beside each other without parentheses. */
const LOGICAL: ReadonlySet<string> = new Set(["&&", "||", "??"]);

/** Every change of the module, in the order of its text. Two of them may be at the same place, but never the same. */
export function mutationsOf(text: string): Mutation[] {
  const source = ts.createSourceFile("module.ts", text, ts.ScriptTarget.ESNext, true);
  const found: Mutation[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || isDeclarationOfTypes(node)) return;
    mutate(node, source, found);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found.sort((a, b) => a.start - b.start);
}

function isDeclarationOfTypes(node: ts.Node): boolean {
  return ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isImportDeclaration(node) ||
    ts.isExportDeclaration(node);
}

function mutate(node: ts.Node, source: ts.SourceFile, found: Mutation[]): void {
  const add = (kind: string, at: ts.Node, replacement: string): void => {
    found.push({ kind, start: at.getStart(source), end: at.getEnd(), replacement });
  };
  if (ts.isBinaryExpression(node)) {
    const operator = node.operatorToken.getText(source);
    if (operator === "+" && (isText(node.left) || isText(node.right))) return;
    if (operator === "??" && isObject(node.right)) return; // then nothing falsy but undefined is on the left
    for (const other of OPERATORS[operator] ?? []) add("operator", node, binary(node, other, source));
  } else if (ts.isNumericLiteral(node)) {
    for (const step of [1, -1]) add("constant", node, moved(node.getText(source), step));
  } else if (node.kind === ts.SyntaxKind.TrueKeyword) add("boolean", node, "false");
  else if (node.kind === ts.SyntaxKind.FalseKeyword) add("boolean", node, "true");
  else if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) unary(node, source, add);
  else if (ts.isCallExpression(node)) {
    const callee = node.expression.getText(source);
    if (callee === "Math.min") add("minimum", node.expression, "Math.max");
    if (callee === "Math.max") add("maximum", node.expression, "Math.min");
  } else if (ts.isExpressionStatement(node)) {
    const { expression } = node;
    const isSuper = ts.isCallExpression(expression) &&
      expression.expression.kind === ts.SyntaxKind.SuperKeyword;
    if (ts.isCallExpression(expression) && !isSuper) add("call left out", node, ";");
  } else if (ts.isReturnStatement(node) || ts.isThrowStatement(node) || ts.isContinueStatement(node)) {
    if (isEarly(node)) add("exit left out", node, ";");
  }
  const condition = conditionOf(node);
  if (condition !== undefined && !isNegation(condition)) {
    add("condition", condition, `!(${condition.getText(source)})`);
  }
}

function unary(
  node: ts.PrefixUnaryExpression | ts.PostfixUnaryExpression,
  source: ts.SourceFile,
  add: (kind: string, at: ts.Node, replacement: string) => void,
): void {
  const operand = node.operand.getText(source);
  const before = ts.isPrefixUnaryExpression(node);
  const step = (sign: string): string => before ? sign + operand : operand + sign;
  switch (node.operator) {
    case ts.SyntaxKind.ExclamationToken:
      return add("negation", node, operand);
    case ts.SyntaxKind.PlusPlusToken:
      return add("step", node, step("--"));
    case ts.SyntaxKind.MinusMinusToken:
      return add("step", node, step("++"));
    case ts.SyntaxKind.MinusToken:
      return ts.isNumericLiteral(node.operand) ? undefined : add("sign", node, `(${operand})`);
  }
}

/** The expression with another operator, in parentheses where the new one needs them. */
function binary(node: ts.BinaryExpression, operator: string, source: ts.SourceFile): string {
  const side = (operand: ts.Expression): string => {
    const text = operand.getText(source);
    return LOGICAL.has(operator) && isLogical(operand) ? `(${text})` : text;
  };
  const between = source.text.slice(node.operatorToken.getEnd(), node.right.getStart(source));
  const text = `${side(node.left)} ${operator}${between}${side(node.right)}`;
  return isOperand(node) ? `(${text})` : text;
}

/** Whether another operator, but no assignment, takes it. */
function isOperand({ parent, operatorToken }: ts.BinaryExpression): boolean {
  return ts.isBinaryExpression(parent) && !isAssignment(parent.operatorToken) && !isAssignment(operatorToken);
}

function isAssignment({ kind }: ts.Node): boolean {
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}

function isLogical(node: ts.Node): boolean {
  return ts.isBinaryExpression(node) && LOGICAL.has(node.operatorToken.getText());
}

function isText(node: ts.Node): boolean {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
}

function isObject(node: ts.Node): boolean {
  return ts.isObjectLiteralExpression(node) || ts.isArrayLiteralExpression(node) || ts.isNewExpression(node);
}

/** A number that is one more or less, written as the other was. */
function moved(text: string, step: number): string {
  const value = Number(text.replaceAll("_", "")) + step;
  if (value < 0) return `(${value})`;
  return text.startsWith("0x") ? `0x${value.toString(16)}` : `${value}`;
}

/** Whether something in the function stands behind it, so that leaving it out goes on there. */
function isEarly(node: ts.Statement): boolean {
  for (let at: ts.Node = node; !ts.isFunctionLike(at); at = at.parent) {
    const { parent } = at;
    if (parent === undefined) return false;
    if (ts.isBlock(parent) || ts.isCaseOrDefaultClause(parent)) {
      if (parent.statements.at(-1) !== at) return true;
    }
    if (ts.isCaseClause(parent) || ts.isIterationStatement(parent, false)) return true;
  }
  return false;
}

function conditionOf(node: ts.Node): ts.Expression | undefined {
  if (ts.isIfStatement(node) || ts.isWhileStatement(node) || ts.isDoStatement(node)) return node.expression;
  if (ts.isConditionalExpression(node) || ts.isForStatement(node)) return node.condition;
  return undefined;
}

/** Those that another kind of change negates already. */
function isNegation(node: ts.Expression): boolean {
  if (ts.isPrefixUnaryExpression(node)) return node.operator === ts.SyntaxKind.ExclamationToken;
  return ts.isBinaryExpression(node) && /^[=!]==$/.test(node.operatorToken.getText());
}
