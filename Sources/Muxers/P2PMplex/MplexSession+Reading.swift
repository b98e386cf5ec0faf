package import NIOCore

/// Readers that don't keep up (mplex spec, "Implementation notes").
///
/// Without flow control there are two ways: to read nothing from the connection until the reader has caught up, which holds up every other
/// stream, or to reset the stream. Here a reader who takes bytes, however slowly, is waited for; one who takes none is waited for once,
/// for a moment, and its stream is reset when its limit is reached.
extension MplexSession {
    /// Whether the driver should read nothing from the connection for now.
    package var isWaitingForReaders: Bool { self.waitedFor > 0 }

    /// So many bytes wait for the reader of a stream.
    package mutating func noteUnread(_ unread: Int, on id: MplexStreamID, at now: NIODeadline) -> OnUnread {
        guard let index = self.streams.index(forKey: id) else { return .none }
        let change = unread - self.streams.values[index].unread
        self.unread += change
        self.streams.values[index].unread = unread
        if unread > self.configuration.maximumUnread { return self.overflow(id, at: now) }
        if change > 0, let before = self.streams.values[index].unreadWhenPaused {
            self.streams.values[index].unreadWhenPaused = before + change
        }
        self.lookAgain(at: index, now: now)
        return self.unread > self.configuration.maximumUnreadTogether ? .recount : .none
    }

    /// ``noteUnread(_:on:at:)`` was called for every stream.
    package mutating func recounted(at now: NIODeadline) -> OnUnread {
        guard self.unread > self.configuration.maximumUnreadTogether,
            let fullest = self.streams.max(by: { $0.value.unread < $1.value.unread })
        else { return .none }
        return self.overflow(fullest.key, at: now)
    }

    /// Begins to wait for a reader, or stops.
    mutating func lookAgain(at index: Dictionary<MplexStreamID, MplexStreamState>.Index, now: NIODeadline) {
        let stream = self.streams.values[index]
        let isBehind = stream.unread > self.configuration.comfortableUnread
        if !isBehind { self.streams.values[index].isReaderStuck = false }
        // What is finished brings nothing more.
        let isWorthWaiting = isBehind && !stream.isReaderStuck && !stream.isReceiveFinished
        switch (stream.unreadWhenPaused != nil, isWorthWaiting) {
        case (false, true):
            self.streams.values[index].unreadWhenPaused = stream.unread
            self.waitedFor += 1
            if self.patienceEnds == nil { self.patienceEnds = now + TimeAmount(self.configuration.readerPatience) }
        case (true, false):
            self.streams.values[index].unreadWhenPaused = nil
            self.stopWaiting()
        case (true, true), (false, false):
            break
        }
    }

    mutating func stopWaiting() {
        self.waitedFor -= 1
        if self.waitedFor == 0 { self.patienceEnds = nil }
    }

    /// Those who have taken nothing are waited for no longer; those who have get as much time again.
    mutating func losePatience(at now: NIODeadline) {
        guard let ends = self.patienceEnds, now >= ends else { return }
        for index in self.streams.indices {
            guard let before = self.streams.values[index].unreadWhenPaused else { continue }
            let unread = self.streams.values[index].unread
            if unread < before {
                self.streams.values[index].unreadWhenPaused = unread
            } else {
                self.streams.values[index].isReaderStuck = true
                self.streams.values[index].unreadWhenPaused = nil
                self.stopWaiting()
            }
        }
        if self.waitedFor > 0 { self.patienceEnds = now + TimeAmount(self.configuration.readerPatience) }
    }
}
