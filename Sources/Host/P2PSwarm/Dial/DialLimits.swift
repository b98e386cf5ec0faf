/// How much one dial may have open at once.
package struct DialLimits: Sendable, Hashable {
    /// Attempts that each dial may have open, whatever others do.
    package var ownPlaces = 8
    /// Attempts of one dial that are open at a time, with places that the host lends: so many that of a long list nearly every address
    /// keeps its place until it has had time to answer, so few that a list of strangers costs no more sockets than that.
    package var openAttempts = 64
    /// Attempts that begin within ``DialPlan/freshTime``, unless others have failed.
    package var freshAttempts = 16

    package init() {}
}
