/// Everybody who observes a host. With nobody, work costs a look at an empty list.
package struct HostObservers: Sendable {
    private let all: [any HostObserver]

    package init(_ all: [any HostObserver] = []) { self.all = all }

    /// Nobody observes.
    package var isEmpty: Bool { self.all.isEmpty }
    var count: Int { self.all.count }

    /// Work begins; nil when nobody observes.
    package func begin(_ work: @autoclosure () -> HostWork, within parent: Observation? = nil) -> Observation? {
        guard !self.all.isEmpty else { return nil }
        let work = work()
        let parts = self.all.enumerated().map { index, observer in observer.began(work, within: parent?.part(index)) }
        return Observation(of: self, parts: parts)
    }

    package func connected(_ connection: ConnectionInfo) {
        for observer in self.all { observer.connected(connection) }
    }

    package func disconnected(_ connection: ConnectionInfo, reason: ConnectionError, traffic: ConnectionTraffic) {
        for observer in self.all { observer.disconnected(connection, reason: reason, traffic: traffic) }
    }
}
