import Synchronization

final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    var value: Int { self.count.load(ordering: .sequentiallyConsistent) }
    @discardableResult
    func increment() -> Int { self.count.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue }
}

/// Lets other tasks run until something has come about.
func until(_ condition: @Sendable () -> Bool) async {
    while !condition() { await Task.yield() }
}
