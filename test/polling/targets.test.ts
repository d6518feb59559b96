import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Project, Valve } from '../../src/domain/valve.ts';
import { HyCloudError } from '../../src/hycloud/errors.ts';
import type { Meaning, Target } from '../../src/domain/target.ts';
import { NO_MEMORY, type Memory } from '../../src/polling/memory.ts';
import { NoSuchValve, TargetError } from '../../src/polling/target-errors.ts';
import { narrow, resolveTargets } from '../../src/polling/targets.ts';
import { fakeProjects, valveNamed } from './builder.ts';

const [A, B, C] = ['valve-a', 'valve-b', 'valve-c'].map((id, index) =>
  valveNamed(id, { shortSn: `0000000${index}`, fullSn: `00000000000000000000abc${index}` }),
) as [Valve, Valve, Valve];

function project(id: string, name: string, valves: readonly Valve[] = [], unreadable: readonly string[] = []): Project {
  return { id, name, valves, unreadable };
}

function target(some: Partial<Target>): Target {
  return { projectId: null, projectName: null, valves: [], ...some };
}

async function resolve(projects: readonly Project[], ...targets: Partial<Target>[]) {
  const { projects: found, problems } = await resolveTargets(fakeProjects(projects), targets.map(target));
  const reasons = problems.map(({ reason }) => reason);
  return { valves: found.map(({ id, valves }) => [id, valves.map((valve) => valve.id)]), problems: reasons };
}

async function refusal(promise: Promise<unknown>): Promise<TargetError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof TargetError) return error;
  throw new Error(`no TargetError: ${String(error)}`);
}

const NORTH = project('p-north', 'North', [A, B]);
const SOUTH = project('p-south', 'South', [C]);

describe('a project is found', () => {
  test('by its name', async () => {
    expect(await resolve([NORTH, SOUTH], { projectName: 'South' })).toEqual({
      valves: [['p-south', ['valve-c']]],
      problems: [],
    });
  });

  test('by its id, which wins over the name', async () => {
    const hycloud = fakeProjects([NORTH, SOUTH]);
    const { projects } = await resolveTargets(hycloud, [target({ projectId: 'p-north', projectName: 'South' })]);
    expect(projects).toEqual([NORTH]);
    expect(hycloud.calls).toEqual(['p-north', 'list']);
  });

  test.each([
    ['composed', 'Scuola Niccol\u00f2', 'Scuola Niccolo\u0300'],
    ['decomposed', 'Scuola Niccolo\u0300', 'Scuola Niccol\u00f2'],
  ])('by a name with accents, where HyCloud has them %s', async (_how, name, wanted) => {
    const { valves } = await resolve([project('p-1', name, [A])], { projectName: wanted });
    expect(valves).toEqual([['p-1', ['valve-a']]]);
  });

  test.each(['south', 'South ', 'Sout'])('but not by %j', async (projectName) => {
    expect((await refusal(resolve([NORTH, SOUTH], { projectName }))).message).toBe(
      `no project is called "${projectName}"`,
    );
  });

  test('with no valves in it, too', async () => {
    expect(await resolve([project('p-1', 'Empty')], { projectName: 'Empty' })).toEqual({
      valves: [['p-1', []]],
      problems: [],
    });
  });
});

describe('a name', () => {
  test('that two projects have is an error with both ids', async () => {
    const error = await refusal(resolve([NORTH, project('p-2', 'North', [C])], { projectName: 'North' }));
    expect(error.message).toBe('2 projects are called "North": p-north (2 valves), p-2 (1 valves)');
    expect(error).toMatchObject({ kind: 'config', remedy: 'set target_project_id to the one meant' });
  });

  test('that none has is answered with those there are, nearest first', async () => {
    const projects = ['Zoo', 'Norht', 'Nord', 'South'].map((name, n) => project(`p-${n}`, name));
    const error = await refusal(resolve(projects, { projectName: 'North' }));
    expect(error.remedy).toMatch(/^the key can see, nearest first: "(Norht", "Nord|Nord", "Norht)", "South", "Zoo"$/);
  });

  test('is looked up in vain where the key sees nothing', async () => {
    const error = await refusal(resolve([], { projectName: 'North' }));
    expect(error.remedy).toBe('the key can see no project at all');
  });
});

describe('a project that is not shown', () => {
  test.each([
    ['not-found', 404],
    ['forbidden', 403],
  ] as const)('is an error of the configuration: %s', async (failure, status) => {
    const refused = new HyCloudError(failure, 'projects/p-north', `HTTP ${status}`, { status });
    const hycloud = fakeProjects([NORTH], { 'p-north': refused });
    const error = await refusal(resolveTargets(hycloud, [target({ projectId: 'p-north' })]));
    expect(error.message).toBe(`project p-north is not there, or the key may not see it (HTTP ${status})`);
    expect(error.kind).toBe('config');
  });

  test('because HyCloud fails is an error of HyCloud', async () => {
    const failed = new HyCloudError('server', 'projects/p-north', 'HTTP 500', { status: 500 });
    const hycloud = fakeProjects([NORTH], { 'p-north': failed });
    await expect(resolveTargets(hycloud, [target({ projectId: 'p-north' })])).rejects.toBe(failed);
  });
});

describe('single valves', () => {
  test.each([
    ['uuid', 'VALVE-B'],
    ['short serial', '00000001'],
    ['full serial', '00000000000000000000ABC1'],
  ])('are found by %s, in any letter case, in any project', async (_how, wanted) => {
    expect(await resolve([SOUTH, NORTH], { valves: [wanted] })).toEqual({
      valves: [['p-north', ['valve-b']]],
      problems: [],
    });
  });

  test('of a project are looked for in that project alone', async () => {
    const { valves, problems } = await resolve([NORTH, SOUTH], {
      projectName: 'North',
      valves: ['valve-a', 'valve-c'],
    });
    expect(valves).toEqual([['p-north', ['valve-a']]]);
    expect(problems).toEqual(['valve valve-c is not in project "North"']);
  });

  test('that are named twice are polled once', async () => {
    expect((await resolve([NORTH], { valves: ['valve-a', '00000000', 'VALVE-A'] })).valves).toEqual([
      ['p-north', ['valve-a']],
    ]);
  });

  test('are an error where none of them is there', async () => {
    const error = await refusal(resolve([NORTH], { valves: ['valve-x', 'valve-y'] }));
    expect(error.message).toBe(
      'valve valve-x is in no project that the key can see; valve valve-y is in no project that the key can see',
    );
  });

  test('are an error where two have the serial', async () => {
    const twin = valveNamed('valve-twin', { shortSn: '00000000' });
    const error = await refusal(resolve([NORTH, project('p-2', 'Other', [twin])], { valves: ['00000000'] }));
    expect(error).toMatchObject({
      message: '2 valves are called 00000000: valve-a, valve-twin',
      remedy: 'name it by its uuid',
    });
  });

  test('of two projects are one valve, polled with the first', async () => {
    expect((await resolve([NORTH, project('p-2', 'Shared', [A])], { valves: ['00000000'] })).valves[0]).toEqual([
      'p-north',
      ['valve-a'],
    ]);
  });
});

describe('several targets', () => {
  test('are one valve where a project lists it twice', async () => {
    const twice = project('p-1', 'Twice', [A, B, { ...A, userId: 'again' }]);
    const { projects } = await resolveTargets(fakeProjects([twice]), [target({ projectId: 'p-1' })]);
    expect(projects.map(({ valves }) => valves)).toEqual([[A, B]]);
  });

  test('add up, a shared valve counting with the first', async () => {
    const shared = project('p-shared', 'Shared', [B, C]);
    const found = await resolve([NORTH, shared], { projectName: 'Shared' }, { projectId: 'p-north' });
    expect(found).toEqual({
      valves: [
        ['p-shared', ['valve-b', 'valve-c']],
        ['p-north', ['valve-a']],
      ],
      problems: [],
    });
  });

  test('ask for the list and for each project once', async () => {
    const hycloud = fakeProjects([NORTH, SOUTH]);
    const targets = [
      { projectName: 'North' },
      { projectName: 'South' },
      { projectId: 'p-north' },
      { valves: ['valve-c'] },
    ];
    await resolveTargets(hycloud, targets.map(target));
    expect(hycloud.calls.sort()).toEqual(['list', 'p-north', 'p-south']);
  });

  test('ask for several projects at once, never for more than allowed, and keep their order', async () => {
    const projects = Array.from({ length: 7 }, (_, n) => project(`p-${n}`, `Project ${n}`, [valveNamed(`valve-${n}`)]));
    const hycloud = fakeProjects(projects);
    const underWay = { now: 0, most: 0 };
    const getProject = async (id: string) => {
      underWay.most = Math.max(underWay.most, (underWay.now += 1));
      await sleep(id === 'p-0' ? 20 : 2);
      underWay.now -= 1;
      return hycloud.getProject(id);
    };
    const byId = projects.map(({ id }) => ({ projectId: id }));
    for (const targets of [byId, [...byId, { valves: ['valve-6'] }], [{ valves: ['valve-0', 'valve-6'] }]]) {
      underWay.most = 0;
      const found = await resolveTargets({ ...hycloud, getProject }, targets.map(target), { maxConcurrency: 3 });
      expect(underWay.most).toBe(3);
      const wanted = targets.length > 1 ? projects : [projects[0], projects[6]];
      expect(found.projects.filter(({ valves }) => valves.length > 0)).toEqual(wanted);
    }
  });

  test('fail as the first of them in their order does, whichever fails first', async () => {
    const slow = new HyCloudError('server', 'projects/p-1', 'HTTP 503', { status: 503 });
    const getProject = async (id: string): Promise<Project> => {
      await sleep(id === 'p-1' ? 20 : 1);
      throw id === 'p-1' ? slow : new HyCloudError('not-found', `projects/${id}`, 'HTTP 404', { status: 404 });
    };
    const targets = [target({ projectId: 'p-1' }), target({ projectId: 'p-2' })];
    await expect(resolveTargets({ ...fakeProjects([]), getProject }, targets, { maxConcurrency: 2 })).rejects.toBe(
      slow,
    );
  });

  test('ask for nothing more once the credentials are refused', async () => {
    const asked: string[] = [];
    const getProject = async (id: string): Promise<Project> => {
      asked.push(id);
      await sleep(id === 'p-1' ? 1 : 20);
      if (id === 'p-1') throw new HyCloudError('unauthorized', 'projects/p-1', 'HTTP 401', { status: 401 });
      return NORTH;
    };
    const targets = ['p-1', 'p-2', 'p-3'].map((projectId) => target({ projectId }));
    const resolving = resolveTargets({ ...fakeProjects([]), getProject }, targets, { maxConcurrency: 2 });
    await expect(resolving).rejects.toThrow('HTTP 401');
    expect(asked).toEqual(['p-1', 'p-2']);
  });

  const failures = [
    ['server', 500, 'HyCloud, GET projects/p-bad: HTTP 500'],
    ['network', null, 'HyCloud, GET projects/p-bad: HTTP null'],
    ['not-found', 404, 'project p-bad is not there, or the key may not see it (HTTP 404)'],
    ['forbidden', 403, 'project p-bad is not there, or the key may not see it (HTTP 403)'],
  ] as const;

  describe.each(failures)('of which one cannot be read (%s)', (failure, status, reason) => {
    const hycloud = fakeProjects([NORTH, project('p-bad', 'Bad', [C])]);
    const getProject = (id: string): Promise<Project> =>
      id === 'p-bad'
        ? Promise.reject(new HyCloudError(failure, 'projects/p-bad', `HTTP ${status}`, { ...(status && { status }) }))
        : hycloud.getProject(id);
    const resolved = async (...targets: Partial<Target>[]) => {
      const { projects, problems } = await resolveTargets({ ...hycloud, getProject }, targets.map(target));
      return { projects, problems: problems.map((problem) => problem.reason) };
    };

    test('lose that one alone, whatever their order', async () => {
      const [good, bad] = [{ projectId: 'p-north' }, { projectName: 'Bad' }];
      for (const targets of [
        [good, bad],
        [bad, good],
      ]) {
        expect(await resolved(...targets)).toEqual({ projects: [NORTH], problems: [reason] });
      }
    });

    test('do not mind where every wanted valve is elsewhere', async () => {
      expect(await resolved({ valves: ['valve-b'] })).toEqual({
        projects: [{ ...NORTH, valves: [B] }],
        problems: [],
      });
    });

    test('say so of a wanted valve that may be in it', async () => {
      expect((await resolved({ valves: ['valve-b', 'valve-c'] })).problems).toEqual([
        reason,
        'valve valve-c is in no project that could be read',
      ]);
    });

    test('have failed where nothing else is left', async () => {
      await expect(resolved({ projectId: 'p-bad' })).rejects.toThrow(reason);
      await expect(resolved({ valves: ['valve-c'] })).rejects.toThrow(reason);
    });
  });

  test('go by their ids where the list of projects cannot be read', async () => {
    const listProjects = () => Promise.reject(new HyCloudError('server', 'projects', 'HTTP 500', { status: 500 }));
    const targets = [{ projectName: 'South' }, { valves: ['valve-c'] }, { projectId: 'p-north' }].map(target);
    const { projects, problems } = await resolveTargets({ ...fakeProjects([NORTH, SOUTH]), listProjects }, targets);
    expect(projects).toEqual([NORTH]);
    expect(problems.map(({ reason }) => reason)).toEqual([
      'HyCloud, GET projects: HTTP 500',
      'valve valve-c is in no project that could be read',
    ]);
  });

  test('tell of a valve that could not be read once, and go on', async () => {
    const odd = project('p-1', 'Odd', [A], ['valve no. 2 of project "Odd" has no usable id']);
    expect(await resolve([odd], { projectId: 'p-1' }, { projectName: 'Odd' })).toMatchObject({
      problems: ['valve no. 2 of project "Odd" has no usable id'],
    });
  });
});

test('a project that is not there is answered with those there are, by name and id', async () => {
  const error = await refusal(resolve([NORTH, SOUTH], { projectId: 'p-west' }));
  expect(error.message).toBe('project p-west is not there, or the key may not see it (HTTP 404)');
  expect(error.remedy).toBe('the key can see: "North" (p-north), "South" (p-south)');
});

test('a list of valves that is shorter than its count is a problem, unless the wanted ones are in it', async () => {
  const hycloud = fakeProjects([NORTH]);
  const listProjects = () => Promise.resolve([{ id: 'p-north', name: 'North', valveCount: 3, userCount: 1 }]);
  const resolveWith = async (some: Partial<Target>) => {
    const { problems, listings } = await resolveTargets({ ...hycloud, listProjects }, [target(some)]);
    expect(listings[0]?.unreadable).toHaveLength(1);
    return problems.map(({ reason }) => reason);
  };
  const short = 'project "North" lists 2 of its 3 valves';
  expect(await resolveWith({ projectName: 'North' })).toEqual([short]);
  expect(await resolveWith({ projectId: 'p-north', valves: ['valve-a'] })).toEqual([]);
  expect(await resolveWith({ projectId: 'p-north', valves: ['valve-a', 'valve-c'] })).toEqual([
    short,
    'valve valve-c is not in project "North"',
  ]);
});

describe('what earlier runs know', () => {
  const own = (projectId: string, name: string): Meaning => ({ projectId, name, from: 'own' });
  const remembered = (...meanings: Meaning[]): Memory => ({ ...NO_MEMORY, meanings: new Map([['Sede', meanings]]) });
  const [X, Y] = [project('p-x', 'Sede', [A]), project('p-y', 'Sede', [C])];
  const bySede = async (projects: readonly Project[], memory: Memory) => {
    const found = await resolveTargets(fakeProjects(projects), [target({ projectName: 'Sede' })], { memory });
    return { id: found.projects[0]?.id, warnings: found.warnings, meanings: [...found.meanings] };
  };

  test('a name goes on meaning its project; a namesake is told in every run', async () => {
    expect(await bySede([Y, X], remembered(own('p-x', 'Sede')))).toEqual({
      id: 'p-x',
      warnings: ['another project, p-y, is called "Sede" too, and is not polled; to choose, set target_project_id'],
      meanings: [['Sede', 'p-x']],
    });
  });

  test('a project that is gone gives way to the one that has its name, which the name means from then on', async () => {
    expect(await bySede([Y], remembered(own('p-x', 'Sede')))).toEqual({
      id: 'p-y',
      warnings: [
        'project p-x, which "Sede" meant, is not there any more; p-y, which has that name now, is polled in its place',
      ],
      meanings: [['Sede', 'p-y']],
    });
  });

  test.each(['inherited', 'other key'] as const)(
    'what is %s counts only where this key sees the project',
    async (from) => {
      const renamed = { ...X, name: 'Sede vecchia' };
      const memory = remembered({ projectId: 'p-x', name: 'Sede', from });
      expect((await bySede([renamed, Y], memory)).id).toBe('p-x');
      expect(await bySede([Y], memory)).toEqual({ id: 'p-y', warnings: [], meanings: [['Sede', 'p-y']] });
    },
  );

  test.each(['own', 'inherited', 'other key'] as const)(
    'what is %s and not shown is HyCloud’s failure where the list cannot be read',
    async (from) => {
      const failure = new HyCloudError('server', 'projects', 'HTTP 503', { status: 503 });
      const hycloud = { ...fakeProjects([]), listProjects: () => Promise.reject(failure) };
      const memory = remembered({ projectId: 'p-x', name: 'Sede', from });
      await expect(resolveTargets(hycloud, [target({ projectName: 'Sede' })], { memory })).rejects.toBe(failure);
    },
  );

  test('single valves are looked for where they were, and everywhere only once they are not there', async () => {
    const listedIn = new Map([
      ['valve-a', ['p-north']],
      ['00000002', ['p-gone', 'p-south']],
    ]);
    const asked = async (projects: readonly Project[], valves: readonly string[]) => {
      const hycloud = fakeProjects(projects);
      const found = await resolveTargets(hycloud, [target({ valves })], { memory: { ...NO_MEMORY, listedIn } });
      return [hycloud.calls, found.projects.flatMap((each) => each.valves.map(({ id }) => id)), found.problems.length];
    };
    const many = Array.from({ length: 20 }, (_, n) => project(`p-${n}`, `Other ${n}`));
    expect(await asked([...many, NORTH, SOUTH], ['VALVE-A', '00000002'])).toEqual([
      ['list', 'p-north', 'p-south'],
      ['valve-a', 'valve-c'],
      0,
    ]);
    const moved = [...many, { ...NORTH, valves: [B] }, { ...SOUTH, valves: [C, A] }];
    const [calls, ...others] = await asked(moved, ['valve-a']);
    expect(others).toEqual([['valve-a'], 0]);
    expect(calls).toHaveLength(1 + moved.length);
  });
});

describe('narrow (--valve)', () => {
  const BOTH = { projects: [NORTH, SOUTH], problems: [] };

  test('keeps everything where nothing is named', () => {
    expect(narrow(BOTH, [])).toEqual({ ...BOTH, missing: null });
  });

  test('keeps the named valves, and the projects that have any', () => {
    expect(narrow(BOTH, ['00000002']).projects).toEqual([SOUTH]);
    expect(narrow(BOTH, ['valve-b', 'valve-c']).projects).toEqual([{ ...NORTH, valves: [B] }, SOUTH]);
    const named = { ...NORTH, valves: [A, { ...B, userId: 'Caffè' }] };
    expect(narrow({ ...BOTH, projects: [named, SOUTH] }, ['CAFFE\u0300']).projects).toEqual([
      { ...named, valves: [named.valves[1]] },
    ]);
  });

  test('tells a name that no targeted valve has, with the nearest', () => {
    const { projects, missing } = narrow(BOTH, ['valve-a', '00000009']);
    expect(projects).toEqual([{ ...NORTH, valves: [A] }]);
    expect(missing).toMatchObject({
      message: 'no targeted valve is called 00000009',
      remedy: expect.stringContaining('nearest: 0000000') as string,
    });
    expect(() => narrow(BOTH, ['00000009'])).toThrow(NoSuchValve);
    const named = { ...NORTH, valves: [A, { ...B, userId: 'Palestra' }] };
    expect(narrow({ ...BOTH, projects: [named] }, ['valve-a', 'Palesta']).missing?.remedy).toContain(
      'nearest: Palestra',
    );
  });

  test('says why a project could not be read that may hold it', () => {
    const error = new HyCloudError('server', 'projects/p-bad', 'HTTP 500', { status: 500 });
    const problems = [{ reason: error.message, remedy: error.remedy, error }];
    expect(() => narrow({ ...BOTH, problems }, ['valve-z'])).toThrow(error);
    expect(narrow({ ...BOTH, problems }, ['valve-a', 'valve-z'])).toMatchObject({ missing: null, problems });
  });

  test('says that a list was cut short that may hold it', () => {
    const reason = 'project "South" lists 1 of its 2 valves';
    const cut = { projects: [NORTH, { ...SOUTH, unreadable: [reason] }], problems: [] };
    expect(() => narrow(cut, ['valve-z'])).toThrow(reason);
    expect(narrow(cut, ['valve-a', 'valve-z']).missing).toBeNull();
  });
});
