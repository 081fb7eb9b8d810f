import { DeliveryMarks } from '../../src/core/bytes/delivery-marks.ts';
import type { Upload } from '../../src/catalog/model.ts';
import { uploadOf } from '../support/records.ts';

const record = (offset: number, lastAnswered: boolean): Upload =>
  uploadOf('n', { id: 'u', offset, lastStart: 0, lastAnswered });

function world(): { answers: DeliveryMarks; marks: (readonly [string, number])[] } {
  const marks: (readonly [string, number])[] = [];
  const answered = async (more: readonly (readonly [string, number])[]): Promise<void> => void marks.push(...more);
  return { answers: new DeliveryMarks({ answered }), marks };
}

test('an answer that arrived is known to have, by those too who read the record before it said so', async () => {
  const { answers, marks } = world();
  const read = record(5, false);
  expect(answers.arrived(read)).toBe(false);
  answers.settle('u', 5, true);
  expect(answers.arrived(read)).toBe(true);
  await answers.close();
  expect(marks).toEqual([['u', 5]]);
  expect(answers.arrived(read)).toBe(true);
});

test('an answer that is seen to be lost after all is lost, whatever the record says', async () => {
  const { answers, marks } = world();
  answers.settle('u', 5, true);
  answers.settle('u', 5, false);
  expect(answers.arrived(record(5, true))).toBe(false);
  await answers.close();
  expect(marks).toEqual([]);
});

test("what became of another append's answer says nothing of this one", () => {
  const { answers } = world();
  answers.settle('u', 5, true);
  expect(answers.arrived(record(9, false))).toBe(false);
  answers.settle('u', 9, false);
  expect(answers.arrived(record(12, true))).toBe(true);
});
