// Who says that whom does not answer: reports of masters, each good for a while.

export class FailureReports {
  readonly #byNode = new Map<string, Map<string, number>>();

  add(id: string, reporter: string, now: number): void {
    let reports = this.#byNode.get(id);
    if (reports === undefined) {
      reports = new Map();
      this.#byNode.set(id, reports);
    }
    reports.set(reporter, now);
  }

  /** The reporter has heard from the node again. */
  withdraw(id: string, reporter: string): void {
    this.#byNode.get(id)?.delete(reporter);
  }

  /** Reporters whose word is not older than `oldest`. */
  fresh(id: string, oldest: number): Set<string> {
    const reports = this.#byNode.get(id);
    if (reports === undefined) return new Set();
    for (const [reporter, at] of reports) if (at < oldest) reports.delete(reporter);
    return new Set(reports.keys());
  }

  forget(id: string): void {
    this.#byNode.delete(id);
  }
}
