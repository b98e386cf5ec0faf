import Synchronization

final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    var value: Int { self.count.load(ordering: .sequentiallyConsistent) }
    @discardableResult
    func increment() -> Int { self.count.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue }
}
