import Synchronization

/// One piece of work as every observer of the host sees it. What is let go of without an end was cancelled.
package final class Observation: Sendable {
    /// What the task does: a transport finds so what its steps are part of.
    @TaskLocal package static var current: Observation?

    private let observers: HostObservers
    private let parts: [(any WorkObserver)?]
    private let isOver = Atomic(false)

    init(of observers: HostObservers, parts: [(any WorkObserver)?]) {
        self.observers = observers
        self.parts = parts
    }

    deinit {
        self.end(.failed(CancellationError()))
    }

    func part(_ index: Int) -> (any WorkObserver)? { self.parts[index] }

    /// A part of this work begins.
    package func begin(_ work: HostWork) -> Observation? { self.observers.begin(work, within: self) }

    /// The work is over; only the first word counts.
    package func end(_ outcome: WorkOutcome) {
        guard !self.isOver.exchange(true, ordering: .relaxed) else { return }
        for part in self.parts { part?.ended(outcome) }
    }

    /// Runs the application's part of the work.
    package func perform(_ body: () async throws -> Void) async throws {
        try await self.perform(from: 0, body)
    }

    private func perform(from index: Int, _ body: () async throws -> Void) async throws {
        guard index < self.parts.count else { return try await body() }
        guard let part = self.parts[index] else { return try await self.perform(from: index + 1, body) }
        try await part.perform { try await self.perform(from: index + 1, body) }
    }
}

extension Observation? {
    /// The work is over.
    package func end(_ outcome: @autoclosure () -> WorkOutcome) {
        if let observation = self { observation.end(outcome()) }
    }

    /// Runs a part of the work, which is known to what it calls.
    package func whileCurrent<Success>(_ body: () async -> Success) async -> Success {
        guard let observation = self else { return await body() }
        return await Observation.$current.withValue(observation) { await body() }
    }
}
