import NIOPosix
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The file of one connection. Written to from its event loop, and to the disk on another thread.
package final class QLogFile: Sendable {
    /// What may wait for the disk, in bytes; then the file ends.
    static let backlog = 1_024 * 1_024

    private struct State {
        var waiting: [UInt8] = []
        /// Bytes that were taken.
        var taken = 0
        var isWriting = false
        /// An event did not fit: none comes after it.
        var isFull = false
    }

    private let descriptor: CInt
    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter descriptor: of a file that is this one's from now on.
    init(_ descriptor: CInt, limit: Int) {
        self.descriptor = descriptor
        self.limit = limit
    }

    deinit {
        _ = close(self.descriptor)
    }

    /// Takes an event, whole or not at all; does not wait.
    package func write(_ event: UnsafeRawBufferPointer) {
        let mustBegin = self.state.withLock { state in
            guard !state.isFull else { return false }
            guard state.taken + event.count <= self.limit, state.waiting.count + event.count <= Self.backlog else {
                state.isFull = true
                return false
            }
            state.taken += event.count
            state.waiting.append(contentsOf: event)
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if mustBegin { NIOThreadPool.singleton.submit { _ in self.flush() } }
    }

    /// Writes what waits, until nothing does. One thread at a time.
    private func flush() {
        while true {
            let bytes = self.state.withLock { state -> [UInt8]? in
                guard !state.waiting.isEmpty else {
                    state.isWriting = false
                    return nil
                }
                defer { state.waiting = [] }
                return state.waiting
            }
            guard let bytes else { return }
            guard self.put(bytes) else { return self.state.withLock { $0.isFull = true } }
        }
    }

    private func put(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var left = bytes[...]
            while !left.isEmpty {
                let count = systemWrite(self.descriptor, UnsafeRawBufferPointer(rebasing: left))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                left = left.dropFirst(count)
            }
            return true
        }
    }
}

/// The system's own, which methods of that name hide.
private func systemWrite(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
    write(descriptor, bytes.baseAddress, bytes.count)
}
