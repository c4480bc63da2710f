import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Admission } from '../../src/gateway/admission.ts';

describe('places for requests', () => {
  test('are as many as there may be, and free again when requests leave', () => {
    const admission = new Admission({ requestsInFlight: 2 });
    const [one, two] = [admission.enter(), admission.enter()];
    assert.ok(one && two);
    assert.equal(admission.enter(), undefined);
    one.leave();
    assert.ok(admission.enter());
    assert.equal(admission.enter(), undefined);
  });

  test('are as many for each client as it may have, and for the unknown as there are', () => {
    const admission = new Admission({ requestsInFlight: 6, requestsInFlightPerClient: 2 });
    const places = Array.from({ length: 6 }, () => admission.enter());
    const assigned = places.map((place, i) => place?.assign(['a', 'a', 'a', 'b', undefined, undefined][i]));
    assert.deepEqual(assigned, [true, true, false, true, true, true]);
    places[2]?.leave();
    assert.equal(
      admission.enter()?.assign('a'),
      false,
      'a place that was not given to a client is not its own',
    );
    places[0]?.leave();
    assert.equal(admission.enter()?.assign('a'), true);
  });

  test('are not limited by client unless it is asked for', () => {
    const admission = new Admission({ requestsInFlight: 3 });
    assert.deepEqual(
      [1, 2, 3].map(() => admission.enter()?.assign('a')),
      [true, true, true],
    );
  });
});
