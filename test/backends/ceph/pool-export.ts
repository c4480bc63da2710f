// Reads what `rados export` writes: every object of a pool as it lies on the disk, with its attributes. Knows the format of
// that file, as far as it is needed here; must not know what an S3 server means by names and attributes.
// https://github.com/ceph/ceph/blob/main/src/tools/RadosDump.h

/** An object of a pool. */
export interface PoolObject {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, Buffer>;
  readonly data: Buffer;
}

/** Section types; those not named here are skipped. */
const OBJECT_BEGIN = 3;
const DATA = 5;
const ATTRIBUTES = 6;

/** Version and length that Ceph puts in front of a structure. */
const STRUCTURE = 6;

/** The objects of an exported pool. */
export function parsePoolExport(file: Buffer): PoolObject[] {
  const [headerSize, footerSize] = [file.readUInt32LE(8), file.readUInt32LE(12)];
  const objects: { name: string; attributes: Map<string, Buffer>; data: Buffer[] }[] = [];
  for (let at = 16; at < file.length; ) {
    const type = file.readUInt8(at + STRUCTURE + 2);
    const size = Number(file.readBigUInt64LE(at + STRUCTURE + 4));
    const section = file.subarray(at + headerSize, at + headerSize + size);
    at += headerSize + size + (size > 0 ? footerSize : 0);
    if (type === OBJECT_BEGIN) objects.push({ name: objectName(section), attributes: new Map(), data: [] });
    const object = objects.at(-1);
    if (type === DATA) object?.data.push(dataOf(section));
    if (type === ATTRIBUTES && object) object.attributes = attributesOf(section);
  }
  return objects.map((object) => ({ ...object, data: Buffer.concat(object.data) }));
}

/** The second text of the object's identity: the first is its locator. */
function objectName(section: Buffer): string {
  const [, next] = textAt(section, 2 * STRUCTURE);
  return textAt(section, next)[0].toString('utf8');
}

/** Offset and length as 64-bit numbers, then the bytes with their own length. */
function dataOf(section: Buffer): Buffer {
  return textAt(section, STRUCTURE + 16)[0];
}

function attributesOf(section: Buffer): Map<string, Buffer> {
  const attributes = new Map<string, Buffer>();
  const count = section.readUInt32LE(STRUCTURE);
  let at = STRUCTURE + 4;
  for (let i = 0; i < count; i++) {
    const [name, afterName] = textAt(section, at);
    const [value, afterValue] = textAt(section, afterName);
    attributes.set(name.toString('utf8'), value);
    at = afterValue;
  }
  return attributes;
}

/** A text with its length in front, and where the next thing begins. */
function textAt(section: Buffer, at: number): [Buffer, number] {
  const start = at + 4;
  const end = start + section.readUInt32LE(at);
  return [section.subarray(start, end), end];
}
