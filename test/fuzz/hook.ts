// Loaded before a test file (`node --import`): puts assert.ts between it and fast-check. The file need not know.
import { registerHooks } from 'node:module';

const OWN = new URL('./assert.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'fast-check' && context.parentURL !== OWN
      ? { url: OWN, format: 'module-typescript', shortCircuit: true }
      : next(specifier, context),
});
