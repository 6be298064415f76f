/** Whether files that are open still lie at their paths. Else what is written to them is lost with the process, and no call fails. */
import { existsSync, renameSync, statSync } from "node:fs";

export class NotedFiles {
  private readonly identities = new Map<string, string>();

  /** Of what lies there now. */
  note(path: string): void {
    this.identities.set(path, identityOf(path));
  }

  isSame(path: string): boolean {
    return identityOf(path) === this.identities.get(path);
  }

  /** A file lies there, and it is another one. */
  isAnothers(path: string): boolean {
    return existsSync(path) && !this.isSame(path);
  }

  /** Of those noted, the first that is not the same. */
  firstChanged(): string | undefined {
    return [...this.identities.keys()].find((path) => !this.isSame(path));
  }

  /** Does something that removes whatever file lies there; another's stays. */
  keepAnothers(path: string, remove: () => void): void {
    if (!this.isAnothers(path)) return remove();
    const aside = `${path}.aside`;
    let isAside = false;
    try {
      renameSync(path, aside);
      isAside = true;
    } finally {
      try {
        remove(); // where nothing can be renamed, nothing can be removed either
      } finally {
        if (isAside) renameSync(aside, path);
      }
    }
  }
}

function identityOf(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? "nothing" : `${stat.dev} ${stat.ino}`;
}
