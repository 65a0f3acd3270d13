import swcVisitor from '@swc/core/Visitor.js';
import type { ForOfStatement, Statement, VariableDeclarator } from '@swc/core';

/** swc parses `using` and `await using`, but its types and its visitor, which dependency-cruiser walks with, lack them. */
interface UsingDeclaration {
  readonly type: 'UsingDeclaration';
  readonly decls: VariableDeclarator[];
}

function isUsing(node: { readonly type: string }): node is UsingDeclaration {
  return node.type === 'UsingDeclaration';
}

/** Teaches swc's visitor `using` statements; without it the first one in the tree ends the cruise. Needed once per process. */
export function teachVisitorUsing(): void {
  const prototype = swcVisitor.Visitor.prototype;
  const visitStatement = prototype.visitStatement;
  const visitForOfStatement = prototype.visitForOfStatement;
  prototype.visitStatement = function (this: typeof prototype, statement: Statement): Statement {
    const node: { readonly type: string } = statement;
    if (!isUsing(node)) return visitStatement.call(this, statement);
    this.visitVariableDeclarators(node.decls);
    return statement;
  };
  prototype.visitForOfStatement = function (this: typeof prototype, statement: ForOfStatement): Statement {
    if (!isUsing(statement.left)) return visitForOfStatement.call(this, statement);
    // The loop variable imports nothing; what it runs over and its body may.
    statement.right = this.visitExpression(statement.right);
    statement.body = this.visitStatement(statement.body);
    return statement;
  };
}
