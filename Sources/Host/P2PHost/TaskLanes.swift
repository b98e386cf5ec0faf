import P2PCore

/// Runs the tasks of a host's connections, of which there may be thousands that live for days.
///
/// The runtime finds a task that has ended by walking the list of its group: with 6,000 connections in one group a quarter of all work was
/// that walk. So each of several lanes has a group of its own. Lanes are not counted among the host's tasks.
struct TaskLanes {
    static let count = 32
    /// So many tasks are few enough for the group itself, which starts them sooner.
    static let few = 256

    private struct Work: Sendable {
        let executor: (any TaskExecutor)?
        let body: @Sendable () async -> Void
    }

    private var lanes: [Inbox<Work, Never>] = []
    private var turn = 0

    /// Starts a task in the next lane, or in the group itself while no more than a few live; lanes are children of `group`, and are
    /// cancelled with it.
    mutating func addTask(
        among living: Int, in group: inout DiscardingTaskGroup, executorPreference executor: (any TaskExecutor)?,
        _ body: @escaping @Sendable () async -> Void
    ) {
        guard living > Self.few else { return group.addTask(executorPreference: executor) { await body() } }
        if self.turn == self.lanes.count {
            let lane = Inbox<Work, Never>(limit: .max)
            self.lanes.append(lane)
            group.addTask { await Self.run(lane) }
        }
        let isTaken = self.lanes[self.turn].offer(Work(executor: executor, body: body))
        self.turn = (self.turn + 1) % Self.count
        // The lane has been cancelled; the task begins so.
        if !isTaken { group.addTask(executorPreference: executor) { await body() } }
    }

    private static func run(_ lane: Inbox<Work, Never>) async {
        await withDiscardingTaskGroup { group in
            while let work = await lane.next() { group.addTask(executorPreference: work.executor) { await work.body() } }
            lane.finish(.success(()))
            for work in lane.takeAll() { group.addTask(executorPreference: work.executor) { await work.body() } }
        }
    }
}
