import P2PCore
import Synchronization
import Testing

@testable import P2PHost

@Suite("Lanes of tasks", .timeLimit(.minutes(1)))
struct TaskLanesTests {
    @Test("Every task runs, few or many, and lives until its own end", arguments: [0, TaskLanes.few + 1])
    func runs(living: Int) async {
        let ended = Atomic(0)
        await withDiscardingTaskGroup { group in
            var lanes = TaskLanes()
            for _ in 0..<TaskLanes.count * 3 {
                lanes.addTask(among: living, in: &group, executorPreference: nil) {
                    try? await Task.sleep(for: .milliseconds(20))
                    #expect(!Task.isCancelled)
                    ended.wrappingAdd(1, ordering: .relaxed)
                }
            }
            while ended.load(ordering: .relaxed) < TaskLanes.count * 3 { try? await Task.sleep(for: .milliseconds(1)) }
            group.cancelAll()
        }
        #expect(ended.load(ordering: .relaxed) == TaskLanes.count * 3)
    }

    @Test("Cancelling the group cancels every task in every lane; one that comes later begins cancelled", arguments: [0, 1, 30])
    func cancels(pause milliseconds: Int) async {
        let cancelled = Atomic(0)
        let count = TaskLanes.count * 2 + 1
        await withDiscardingTaskGroup { group in
            var lanes = TaskLanes()
            for index in 0..<count {
                if index == count - 1 {
                    try? await Task.sleep(for: .milliseconds(milliseconds))
                    group.cancelAll()
                    try? await Task.sleep(for: .milliseconds(milliseconds))
                }
                lanes.addTask(among: TaskLanes.few + 1, in: &group, executorPreference: nil) {
                    while !Task.isCancelled { try? await Task.sleep(for: .seconds(60)) }
                    cancelled.wrappingAdd(1, ordering: .relaxed)
                }
            }
        }
        #expect(cancelled.load(ordering: .relaxed) == count)
    }
}
