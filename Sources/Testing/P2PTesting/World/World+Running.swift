public import NIOCore
import P2PCore
import Synchronization

extension World {
    /// Pieces of work that may be done without time passing; beyond that tasks keep each other busy.
    private static let workLimit = 50_000_000

    private enum Outcome {
        case reached
        case late
        case stuck
        case spinning
    }

    // MARK: Running

    /// Lets so much time pass.
    ///
    /// A task of the world may call this, too: it sleeps.
    ///
    /// - Throws: ``WorldError/Code/spinning``.
    public func run(for duration: Duration) async throws {
        try await self.run(until: self.clock.deadline.advanced(by: duration))
    }

    /// Lets time pass until then.
    ///
    /// A task of the world may call this, too: it sleeps.
    ///
    /// - Throws: ``WorldError/Code/spinning``.
    public func run(until deadline: NIODeadline) async throws {
        if self.network.executor.runsTheCaller { return await self.hostClock.sleep(deadline) }
        let outcome = await self.network.executor.onItsThread { self.turn(until: deadline, orUntil: nil) }
        if outcome == .spinning { throw self.spinning }
    }

    /// Lets time pass until something is so; that is looked at whenever nobody has anything to do, before time passes.
    ///
    /// - Parameter limit: how much time may pass.
    /// - Throws: ``WorldError/Code/timedOut``; ``WorldError/Code/stuck`` when nobody waits for a time; ``WorldError/Code/insideTheWorld`` in
    ///   a task of the world.
    public func run(until isSo: @escaping @Sendable () -> Bool, within limit: Duration = .seconds(3_600)) async throws {
        guard !self.network.executor.runsTheCaller else {
            throw WorldError(.insideTheWorld, "a task of the world can't wait for what is looked at when all tasks wait")
        }
        let deadline = self.clock.deadline.advanced(by: limit)
        switch await self.network.executor.onItsThread({ self.turn(until: deadline, orUntil: isSo) }) {
        case .reached: return
        case .late: throw WorldError(.timedOut, "it did not come about within \(limit)")
        case .stuck: throw WorldError(.stuck, "nobody waits for a time, so that it can't come about any more")
        case .spinning: throw self.spinning
        }
    }

    /// Runs until nobody has anything to do and nothing is on its way. Time passes only for what is on its way, so that those who sleep
    /// for longer sleep on.
    ///
    /// - Throws: as ``run(until:within:)``.
    public func runUntilIdle(within limit: Duration = .seconds(3_600)) async throws {
        try await self.run(until: { [network] in !network.isCarrying }, within: limit)
    }

    /// Runs `body` as a task of the world, and lets time pass until it returns.
    ///
    /// - Parameter limit: how much time may pass; then `body` is cancelled, and left to itself.
    /// - Throws: what `body` throws; else as ``run(until:within:)``.
    public func perform<Value: Sendable>(
        within limit: Duration = .seconds(3_600), _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        if self.network.executor.runsTheCaller { return try await body() }
        let end = Signal()
        let task = Task(executorPreference: self.network.executor) {
            defer { end.fire() }
            return try await body()
        }
        do {
            try await self.run(until: { end.isFired }, within: limit)
        } catch {
            task.cancel()
            throw error
        }
        return try await task.value
    }

    // MARK: Turning

    private var spinning: WorldError {
        WorldError(.spinning, "\(Self.workLimit) pieces of work were done without time passing: tasks keep each other busy")
    }

    /// Runs what can be run, moves the time on to the next sleeper, and so on. On the world's thread.
    private func turn(until deadline: NIODeadline, orUntil isSo: (@Sendable () -> Bool)?) -> Outcome {
        while true {
            guard self.network.executor.drain(atMost: Self.workLimit) else { return .spinning }
            if let isSo, isSo() { return .reached }
            let next = self.clock.nextDeadline
            if let next, next <= deadline {
                self.clock.advanceToNext()
                continue
            }
            if isSo != nil, next == nil { return .stuck }
            self.clock.advance(to: deadline)
            return isSo == nil ? .reached : .late
        }
    }
}
