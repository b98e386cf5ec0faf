package import NIOCore

/// When a driver is to be woken: the earliest time that anybody asked for. A later one is asked for again when that has come.
///
/// A time that is far off is put off to the next tenth of a second, so that thousands of idle connections are woken together: the kernel's part of a
/// timer costs more than what a connection does then.
package struct MuxerAlarm {
    /// Times that are this far off are put off.
    static let far = TimeAmount.seconds(5)
    /// To multiples of this.
    static let grain = TimeAmount.milliseconds(100)

    private var armed: (deadline: NIODeadline, callback: NIOScheduledCallback)?

    package init() {}

    /// Makes sure that `handler` is called then, if not before.
    package mutating func set(
        _ deadline: NIODeadline, on eventLoop: any EventLoop, waking handler: some NIOScheduledCallbackHandler & Sendable
    ) {
        let moment = Self.moment(for: deadline, at: eventLoop.now)
        if let armed = self.armed {
            if armed.deadline <= moment { return }
            armed.callback.cancel()
        }
        // Fails only on a loop that is shut down, where nobody need be woken.
        self.armed = (try? eventLoop.scheduleCallback(at: moment, handler: handler)).map { (moment, $0) }
    }

    /// When to ring for somebody who wants to be woken then.
    static func moment(for deadline: NIODeadline, at now: NIODeadline) -> NIODeadline {
        guard deadline - now >= Self.far, deadline < .distantFuture else { return deadline }
        let (time, grain) = (deadline.uptimeNanoseconds, UInt64(Self.grain.nanoseconds))
        let late = time % grain
        return late == 0 ? deadline : .uptimeNanoseconds(time - late + grain)
    }

    /// It has gone off.
    package mutating func rang() {
        self.armed = nil
    }

    package mutating func cancel() {
        self.armed.take()?.callback.cancel()
    }
}
