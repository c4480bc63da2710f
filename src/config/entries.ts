// The parts of a configuration that are sound by themselves, with their places: what checks across parts work on.
// A fault in one part must not hide those in the others.
import type { z } from 'zod';
import type { ConfigurationPath } from './fault.ts';

/** One sound part and where it stands. */
export interface Entry<T> {
  readonly path: ConfigurationPath;
  readonly value: T;
}

/** The items of a list that fit their schema. */
export function soundItems<T>(file: unknown, section: string, schema: z.ZodType<T>): readonly Entry<T>[] {
  const items = member(file, section);
  if (!Array.isArray(items)) return [];
  return items.flatMap((item, index) => {
    const result = schema.safeParse(item);
    return result.success ? [{ path: [section, index], value: result.data }] : [];
  });
}

/** A section that fits its schema, or its defaults. */
export function soundSection<T>(file: unknown, section: string, schema: z.ZodType<T>): T {
  const result = schema.safeParse(member(file, section) ?? {});
  return result.success ? result.data : schema.parse({});
}

/** A section that fits its schema, if it is there. */
export function soundOptional<T>(file: unknown, section: string, schema: z.ZodType<T>): T | undefined {
  return schema.safeParse(member(file, section)).data;
}

function member(file: unknown, section: string): unknown {
  return typeof file === 'object' && file !== null ? (file as Record<string, unknown>)[section] : undefined;
}
