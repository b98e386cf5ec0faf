package import NIOCore

/// The one timer of a machine that says when it wants to be asked next.
package struct LoopAlarm {
    private var timer: (deadline: NIODeadline, scheduled: Scheduled<Void>)?

    package init() {}

    /// Rings at the deadline, or before: one that rings earlier stays, for the machine says again then what it wants.
    ///
    /// - Parameter ring: gets the deadline back, for ``rang(at:)``.
    package mutating func set(for deadline: NIODeadline?, on loop: any EventLoop, ring: @escaping @Sendable (NIODeadline) -> Void) {
        guard let deadline else { return }
        if let timer {
            guard deadline < timer.deadline else { return }
            timer.scheduled.cancel()
        }
        self.timer = (deadline, loop.scheduleTask(deadline: deadline) { ring(deadline) })
    }

    /// To be called when it rings, before it is set anew.
    package mutating func rang(at deadline: NIODeadline) {
        if self.timer?.deadline == deadline { self.timer = nil }
    }

    package mutating func cancel() {
        self.timer?.scheduled.cancel()
        self.timer = nil
    }
}
