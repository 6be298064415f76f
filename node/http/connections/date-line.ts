/** The header that says when an answer was made, once a second. */
export class DateLine {
  private second = 0;
  private line = "";

  text(): string {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.second) this.line = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
    this.second = second;
    return this.line;
  }
}
