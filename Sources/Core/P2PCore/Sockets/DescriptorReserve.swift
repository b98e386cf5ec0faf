import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// File descriptors that connections may not take, so that the process never runs out of them.
///
/// A process without a free one can't even see that it is healthy: Linux' libdispatch, on which Swift's tasks run, opens `/proc` each second in which tasks
/// wait for a thread, and traps when that is refused. A value.
package struct DescriptorReserve: Sendable, Hashable {
    /// For what a connection is made.
    package enum Purpose: Sendable {
        /// Somebody came: strangers, whose number is theirs to choose.
        case arrival
        /// This node dials. It still can when all places for arrivals are taken.
        case dial
    }

    /// One of so many descriptors is kept, ...
    package static let share = 8
    /// ... and at most so many.
    package static let most = 64

    /// The limit of the process (`ulimit -n`).
    package let limit: Int

    /// The reserve of a process that may open so many.
    package init(limit: Int) {
        self.limit = limit
    }

    /// The reserve of this process, whose limit may change while it runs.
    package static func current() -> DescriptorReserve {
        DescriptorReserve(limit: Self.limitsOfProcess.map { Int(clamping: $0.rlim_cur) } ?? .max)
    }

    /// The limit that holds now and the one to which it may be raised; nil where the system doesn't say.
    static var limitsOfProcess: rlimit? {
        var limits = rlimit()
        #if canImport(Glibc)
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let resource = RLIMIT_NOFILE
        #endif
        return getrlimit(resource, &limits) == 0 ? limits : nil
    }

    /// How many a purpose leaves: arrivals the whole reserve, dials half of it.
    package func kept(from purpose: Purpose) -> Int {
        let all = min(Self.most, self.limit / Self.share)
        return switch purpose {
        case .arrival: all
        case .dial: all / 2
        }
    }

    private static let highest = Atomic(0)
    private static let refused = Atomic(0)

    /// The most descriptors that connections of this process have had beside it, as their numbers tell: the system gives the lowest that is free.
    package static var peak: Int { Self.highest.load(ordering: .relaxed) }
    /// How often a connection had to wait, or failed, because it would have taken one that is kept.
    package static var refusals: Int { Self.refused.load(ordering: .relaxed) }

    /// Whether a connection's descriptor is one that has to be left: the system gives the lowest that is free.
    package func isTouched(by descriptor: CInt, for purpose: Purpose) -> Bool {
        Self.highest.max(Int(descriptor) + 1, ordering: .relaxed)
        guard Int(descriptor) >= self.limit - self.kept(from: purpose) else { return false }
        Self.refused.wrappingAdd(1, ordering: .relaxed)
        return true
    }

    /// Whether the next descriptor would be one that has to be left, or there is none.
    ///
    /// - Parameter open: any descriptor that is open.
    package func isTouchedByNext(after open: CInt, for purpose: Purpose) -> Bool {
        let next = fcntl(open, F_DUPFD_CLOEXEC, 0)
        guard next >= 0 else { return true }
        defer { close(next) }
        return self.isTouched(by: next, for: purpose)
    }
}
