package import NIOCore

/// When a driver is to be woken: the earliest time that anybody asked for. A later one is asked for again when that has come.
package struct MuxerAlarm {
    private var armed: (deadline: NIODeadline, callback: NIOScheduledCallback)?

    package init() {}

    /// Makes sure that `handler` is called then, if not before.
    package mutating func set(
        _ deadline: NIODeadline, on eventLoop: any EventLoop, waking handler: some NIOScheduledCallbackHandler & Sendable
    ) {
        if let armed = self.armed {
            if armed.deadline <= deadline { return }
            armed.callback.cancel()
        }
        // Fails only on a loop that is shut down, where nobody need be woken.
        self.armed = (try? eventLoop.scheduleCallback(at: deadline, handler: handler)).map { (deadline, $0) }
    }

    /// It has gone off.
    package mutating func rang() {
        self.armed = nil
    }

    package mutating func cancel() {
        self.armed.take()?.callback.cancel()
    }
}
