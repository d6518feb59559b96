import { describe, expect, test } from 'vitest';
import { pointsPathOf } from '../../src/domain/valve.ts';
import { decodeProject, decodeProjects, pointsAnswer } from '../../src/hycloud/wire.ts';

const BASE = '/api/v1/';
const ID = '0f2b9c1e-8a77-4d0e-9b34-1f2e3d4c5b6a';
const OWN_PATH = `ta-smart/${ID}/data/points`;

const WIRE_VALVE = {
  id: ID,
  kind: 'TA-Smart DN32',
  full_sn: '0123456789abcdef01234567',
  short_sn: '89abcdef',
  cloud_identifier: 'cloud-1',
  user_id: 'Boiler room',
  fw_version: '1.9.2',
  href: { datapoints: `/api/v1/${OWN_PATH}` },
  new_in_v1: [1, 2],
};

function valveOf(more: object) {
  return decodeProject({ id: 'p', name: 'P', tasmarts: [{ ...WIRE_VALVE, ...more }] }, BASE).valves[0];
}

describe('projects', () => {
  test('are read, unknown fields and all', () => {
    const raw = [
      { id: 'p-1', href: '/api/v1/projects/p-1', name: 'Città "Ω"', user_count: 2, tasmart_count: 7, hue: 1 },
    ];
    expect(decodeProjects(raw)).toEqual({
      projects: [{ id: 'p-1', name: 'Città "Ω"', userCount: 2, valveCount: 7 }],
      skipped: 0,
    });
  });

  test('one that is odd costs only itself', () => {
    const good = { id: 'p-1', name: 'P', user_count: 2, tasmart_count: 7 };
    const { projects, skipped } = decodeProjects([null, 7, {}, { ...good, id: '' }, { ...good, name: null }, good]);
    expect({ ids: projects.map(({ id }) => id), skipped }).toEqual({ ids: ['p-1'], skipped: 5 });
  });

  test('without counts have none', () => {
    expect(decodeProjects([{ id: 'p-1', name: 'P', user_count: 'many' }]).projects).toEqual([
      { id: 'p-1', name: 'P', userCount: 0, valveCount: 0 },
    ]);
  });

  test.each([[null], [{}], ['text']])('are a list, not %j', (raw) => {
    expect(() => decodeProjects(raw)).toThrow();
  });
});

describe('a valve', () => {
  test('is read', () => {
    expect(valveOf({})).toEqual({
      id: ID,
      kind: 'TA-Smart DN32',
      fullSn: '0123456789abcdef01234567',
      shortSn: '89abcdef',
      cloudIdentifier: 'cloud-1',
      userId: 'Boiler room',
      firmware: '1.9.2',
      pointsPath: null,
    });
  });

  test.each([
    ['absent', undefined],
    ['null', null],
    ['of another type', 7],
    ['empty', ''],
    ['blank', '  '],
  ])('has no name, serial or firmware where they are %s', (_how, value) => {
    expect(valveOf({ user_id: value, short_sn: value, fw_version: value })).toMatchObject({
      userId: null,
      shortSn: null,
      firmware: null,
    });
  });

  test('keeps no text that PostgreSQL could not', () => {
    expect(valveOf({ user_id: 'a\0b\udfff' })?.userId).toBe('a\ufffdb\ufffd');
  });

  test.each([undefined, null, 7, '', 'x'.repeat(256)])('without a usable id is left out and reported: %j', (id) => {
    const tasmarts = [WIRE_VALVE, { ...WIRE_VALVE, id }, null, { ...WIRE_VALVE, id: 'other' }];
    const project = decodeProject({ id: 'p', name: 'P', tasmarts }, BASE);
    expect(project.valves.map((valve) => valve.id)).toEqual([ID, 'other']);
    expect(project.unreadable).toEqual([
      'valve no. 2 of project "P" has no usable id',
      'valve no. 3 of project "P" has no usable id',
    ]);
  });

  test('that is listed twice counts once', () => {
    const tasmarts = [WIRE_VALVE, WIRE_VALVE, { ...WIRE_VALVE, id: 'other' }];
    const { valves } = decodeProject({ id: 'p', name: 'P', tasmarts }, BASE);
    expect(valves.map((valve) => valve.id)).toEqual([ID, 'other']);
  });

  test('does not take the users of its project along', () => {
    const raw = { id: 'p', name: 'P', users: [{ email: 'someone@example.com' }], tasmarts: [WIRE_VALVE] };
    expect(JSON.stringify(decodeProject(raw, BASE))).not.toContain('@');
  });
});

describe('the href of a valve', () => {
  const pathOf = (more: object) => {
    const valve = valveOf(more);
    return valve && pointsPathOf(valve);
  };

  test.each([
    [`/api/v1/${OWN_PATH}`, OWN_PATH],
    ['/api/v1/valves/of.another-shape_~1/points', 'valves/of.another-shape_~1/points'],
  ])('is used as a path below our own base: %s', (datapoints, path) => {
    expect(pathOf({ href: { datapoints } })).toBe(path);
  });

  test.each([
    'https://evil.example.com/api/v1/ta-smart/x/data/points',
    'http://cloud.imi-hydronic.com/api/v1/x',
    '//evil.example.com/api/v1/x',
    '/api/v1//evil.example.com/x',
    '/api/v1///evil.example.com',
    '/api/v1/https://evil.example.com',
    '/api/v1/../../admin',
    '/api/v1/x/../../y',
    '/api/v1/..',
    '/api/v1/./x',
    '/api/v1/%2e%2e/%2e%2e/admin',
    '/api/v1/x%2f..%2fy',
    '/api/v1/\\evil.example.com',
    '/api/v1/x\\..\\y',
    '\\\\evil.example.com\\x',
    '/api/v1/x?api_key=1',
    '/api/v1/x#y',
    '/api/v1/x@evil.example.com',
    '/api/v1/x:80/y',
    '/api/v1/a b',
    '/api/v1/a\r\nHost: evil',
    '/api/v1/',
    '/api/v1/x/',
    '/api/v2/ta-smart/x/data/points',
    '/api/v10/x',
    'ta-smart/x/data/points',
    '',
  ])('is not used where it could lead elsewhere: %j', (datapoints) => {
    expect(pathOf({ href: { datapoints } })).toBe(OWN_PATH);
  });

  test.each([undefined, null, 'text', {}, { datapoints: 7 }])('may be missing or of another type: %j', (href) => {
    expect(pathOf({ href })).toBe(OWN_PATH);
  });

  test.each([
    ['../../admin', 'ta-smart/..%2F..%2Fadmin/data/points'],
    ['x?y#z', 'ta-smart/x%3Fy%23z/data/points'],
    ['//evil.example.com', 'ta-smart/%2F%2Fevil.example.com/data/points'],
  ])('missing, an id that is no uuid leads nowhere else either: %s', (id, path) => {
    expect(pathOf({ id, href: undefined })).toBe(path);
  });
});

describe('an answer with points', () => {
  test.each([
    [
      { points: [], sort: 'ascending', limit: 240, new_in_v1: 1 },
      { sort: 'ascending', limit: 240 },
    ],
    [
      { points: [], sort: 7, limit: 'all' },
      { sort: null, limit: null },
    ],
    [{ points: [], limit: -1 }, { limit: null }],
  ])('is read, whatever it echoes: %j', (raw, expected) => {
    expect(pointsAnswer.parse(raw)).toMatchObject({ points: [], ...expected });
  });

  test.each([[{}], [{ points: null }], [{ points: {} }], [[]], [null]])('has a list of points, unlike %j', (raw) => {
    expect(pointsAnswer.safeParse(raw).success).toBe(false);
  });
});
