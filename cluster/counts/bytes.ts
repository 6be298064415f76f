/**
 * Bytes of messages about counts, written and read one field after the other. Numbers take 7 bits a byte, the lowest
 * first, the last byte below 128; places by their numbers, which peers have in common (PLACES_VERSION); names their length and
 * their letters. A message ends with the CRC-32 of all before, little-endian.
 */
import { checksum } from "../../engine/checksum.ts";
import { MalformedMessageError } from "../../engine/codec.ts";
import { isModeName } from "../../engine/modes.ts";
import { REGION_COUNT } from "../../engine/places.ts";

const BYTES_FIRST = 64; // a beat where nothing changed
const BYTES_SECOND = 4096; // a few boards
const CHECKSUM_BYTES = 4;
const HEAD_BYTES = 2;

export class ByteWriter {
  private bytes = Buffer.allocUnsafe(BYTES_FIRST);
  private at = 0;

  byte(value: number): void {
    if (this.at === this.bytes.length) this.grow(1);
    this.bytes[this.at++] = value;
  }

  number(value: number): void {
    for (; value > 127; value = Math.floor(value / 128)) this.byte((value % 128) | 128);
    this.byte(value);
  }

  region(region: number): void {
    this.number(region);
  }

  name(name: string): void {
    const { length } = name;
    this.byte(length);
    if (this.at + length > this.bytes.length) this.grow(length);
    this.at += this.bytes.write(name, this.at, "latin1");
  }

  list<T>(items: readonly T[], write: (writer: ByteWriter, item: T) => void): void {
    this.number(items.length);
    for (const item of items) write(this, item);
  }

  /** The message, with its checksum. */
  end(): Uint8Array {
    if (this.at + CHECKSUM_BYTES > this.bytes.length) this.grow(CHECKSUM_BYTES);
    const bytes = this.bytes.subarray(0, this.at + CHECKSUM_BYTES);
    bytes.writeUInt32LE(checksum(bytes), this.at);
    return bytes;
  }

  private grow(more: number): void {
    const bytes = Buffer.allocUnsafe(Math.max(BYTES_SECOND, this.bytes.length * 2 + more));
    bytes.set(this.bytes);
    this.bytes = bytes;
  }
}

/** Every method throws a `MalformedMessageError` where the bytes are not what it reads. */
export class ByteReader {
  readonly partitions: number;
  private at = 0;
  private readonly last: number;
  private readonly bytes: Buffer;

  /** @param partitions how many the cluster has */
  constructor(bytes: Uint8Array, partitions: number) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.partitions = partitions;
    this.last = bytes.length - CHECKSUM_BYTES;
  }

  /** Reads the version and the kind, and checks that the checksum fits. */
  head<Kind>(version: number, kinds: readonly Kind[]): Kind {
    const { bytes, last } = this;
    this.require(last >= HEAD_BYTES, "at least 6 bytes");
    this.require(bytes[0] === version, `version ${version}, not ${bytes[0]}`);
    const kind = kinds[(bytes[1] as number) - 1];
    this.require(kind !== undefined, `a known kind, not ${bytes[1]}`);
    this.require(bytes.readUInt32LE(last) === checksum(bytes), "the checksum fits");
    this.at = HEAD_BYTES;
    return kind;
  }

  end(): void {
    this.require(this.at === this.last, "nothing before the checksum but the message");
  }

  byte(): number {
    this.require(this.at < this.last, "a message that ends with its checksum");
    return this.bytes[this.at++] as number;
  }

  flags(known: number): number {
    const flags = this.byte();
    this.require((flags & ~known) === 0, "known flags");
    return flags;
  }

  number(max = Number.MAX_SAFE_INTEGER, min = 0): number {
    let [value, scale, byte] = [0, 1, 0];
    do {
      byte = this.byte();
      value += (byte & 127) * scale;
      scale *= 128;
      if (!(value <= max)) this.fail(`a number up to ${max}`); // NaN too: zeros without an end
    } while (byte > 127);
    this.require(value >= min, `a number from ${min}`);
    return value;
  }

  partition(): number {
    return this.number(this.partitions - 1);
  }

  region(): number {
    return this.number(REGION_COUNT - 1);
  }

  mode(): string {
    const length = this.byte();
    this.require(this.at + length <= this.last, "a name that ends before the checksum");
    const name = this.bytes.toString("latin1", this.at, this.at + length);
    this.at += length;
    this.require(isModeName(name), "a mode's name");
    return name;
  }

  /** How many items follow; each takes a byte at least. */
  count(max: number): number {
    const count = this.number();
    this.require(count <= max && count <= this.last - this.at, `at most ${max} items, all of them there`);
    return count;
  }

  list<T>(max: number, read: (reader: ByteReader) => T): T[] {
    const items: T[] = [];
    for (let left = this.count(max); left > 0; left--) items.push(read(this));
    return items;
  }

  require(holds: boolean, rule: string): asserts holds {
    if (!holds) this.fail(rule);
  }

  private fail(rule: string): never {
    throw new MalformedMessageError(this.at, `must hold: ${rule}`);
  }
}
