// If the page itself breaks, it says so and offers the one thing that helps; what was written is kept.
import { Component } from "react";
import type { ReactNode } from "react";

import { t } from "./strings";

export class Fallback extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <main className="gate">
        <h1>{t.broken.title}</h1>
        <p>{t.broken.hint}</p>
        <button type="button" className="primary" onClick={() => location.reload()}>{t.broken.reload}</button>
      </main>
    );
  }
}
