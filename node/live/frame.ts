/** What is pushed: an answer, made once and written to everyone who watches that question. */

/** How frames are written for one kind of reader. The object is the key under which a frame keeps those bytes. */
export interface FrameKind {
  encode(frame: Frame): Buffer;
}

export class Frame {
  /** Stands for all of the answer but the instant in it. */
  readonly tag: string;
  /** The JSON text that `GET /v1/regions/{place}/gamemode` answers. */
  readonly body: string;
  private readonly encoded = new Map<FrameKind, Buffer>();

  constructor(tag: string, body: string) {
    this.tag = tag;
    this.body = body;
  }

  /** Made once for each kind; nobody may change them. */
  bytes(kind: FrameKind): Buffer {
    let bytes = this.encoded.get(kind);
    if (bytes === undefined) this.encoded.set(kind, (bytes = kind.encode(this)));
    return bytes;
  }
}
