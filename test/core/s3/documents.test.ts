import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  DOCUMENT_OF_ENCRYPTION,
  DOCUMENT_OF_REASON,
  documentOfOperation,
} from '../../../src/core/s3/documents.ts';
import { OPERATIONS } from '../../../src/core/s3/operation-table.ts';

/** Pages of S3's guide and reference, and of IAM's on signatures. */
const PAGE =
  /^https:\/\/docs\.aws\.amazon\.com\/(AmazonS3\/latest\/(API|userguide)|IAM\/latest\/UserGuide)\/[\w-]+\.html(#[\w-]+)?$/;

describe('the documents of AWS', () => {
  test('there is a page for each reason, and for encryption headers', () => {
    for (const [reason, page] of Object.entries(DOCUMENT_OF_REASON)) assert.match(page, PAGE, reason);
    assert.match(DOCUMENT_OF_ENCRYPTION, PAGE);
  });

  test('there is a page for each operation', () => {
    for (const { name } of OPERATIONS) assert.match(documentOfOperation(name), PAGE, name);
    assert.equal(
      documentOfOperation('PutObject'),
      'https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html',
    );
  });

  test('what is no operation of the service model has a page of another name', () => {
    for (const name of ['PostObject', 'CORSPreflight'])
      assert.doesNotMatch(documentOfOperation(name), /API_/);
  });
});
